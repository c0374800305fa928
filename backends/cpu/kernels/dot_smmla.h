// SPDX-License-Identifier: Apache-2.0
// Integer products of two activation rows at once with the int8 matrix extension of AArch64: smmla multiplies 2 lanes x
// 8 inputs with 8 inputs of 2 rows. Single rows stay with dot_sdot.h.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr bool kColumnPairs = true;

// Puts the inputs of lines 2 i and 2 i + 1 beside each other, two lanes to a register.
inline void pair_lines(B w[8]) {
  for (int i = 0; i < 8; i += 2)
    for (int j = 0; j < 4; ++j) {
      const uint32x4_t a = vreinterpretq_u32_u8(w[i].v[j]), b = vreinterpretq_u32_u8(w[i + 1].v[j]);
      w[i].v[j] = vreinterpretq_u8_u32(vzip1q_u32(a, b));      // lanes 4 j, 4 j + 1
      w[i + 1].v[j] = vreinterpretq_u8_u32(vzip2q_u32(a, b));  // lanes 4 j + 2, 4 j + 3
    }
}

// init[c] + Σ code · q for the activation rows at q and q + 32, over N lines that pair_lines() has arranged.
template <int N>
inline void dot_pair(const int32_t init[2], const B* w, const int8_t* q, I dots[2]) {
  const int32x4_t start = vcombine_s32(vld1_s32(init), vld1_s32(init));
  for (int j = 0; j < 4; ++j) {
    int32x4_t low = start, high = start;  // lane 4 j: columns 0, 1; lane 4 j + 1: columns 0, 1
    for (int i = 0; i < N; i += 2) {
      const int8x16_t x = vcombine_s8(vld1_s8(q + 4 * i), vld1_s8(q + 32 + 4 * i));
      low = vmmlaq_s32(low, vreinterpretq_s8_u8(w[i].v[j]), x);
      high = vmmlaq_s32(high, vreinterpretq_s8_u8(w[i + 1].v[j]), x);
    }
    dots[0].v[j] = vuzp1q_s32(low, high);
    dots[1].v[j] = vuzp2q_s32(low, high);
  }
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
