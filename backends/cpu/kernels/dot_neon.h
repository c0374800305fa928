// SPDX-License-Identifier: Apache-2.0
// Integer products of vec_neon.h without the dot product extension (Cortex-A53, A57, A72): products in int16, as many
// of them added there as cannot overflow, then widened.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr int kSignedZero = 0;

inline B as_signed(const B& a) { return a; }

// Codes of magnitude up to Max; every byte of a line has an int16 sum of its own.
template <int Max, int N>
inline I dot_widened(const I& init, const B* w, const int8_t* q) {
  constexpr int kRun = 32767 / (Max * 127);
  constexpr int kStep = kRun < N ? kRun : N;
  static_assert(kStep >= 1 && N % kStep == 0);
  I s = init;
  for (int i = 0; i < N; i += kStep)
    for (int j = 0; j < 4; ++j) {
      int8x16_t x = broadcast_4(q + 4 * i), line = vreinterpretq_s8_u8(w[i].v[j]);
      int16x8_t lo = vmull_s8(vget_low_s8(line), vget_low_s8(x)), hi = vmull_high_s8(line, x);
      for (int k = i + 1; k < i + kStep; ++k) {
        x = broadcast_4(q + 4 * k), line = vreinterpretq_s8_u8(w[k].v[j]);
        lo = vmlal_s8(lo, vget_low_s8(line), vget_low_s8(x)), hi = vmlal_high_s8(hi, line, x);
      }
      // Pairs, then the two pairs of each lane.
      s.v[j] = vaddq_s32(s.v[j], vpaddq_s32(vpaddlq_s16(lo), vpaddlq_s16(hi)));
    }
  return s;
}
template <int Bits, int N>
inline I dot_unsigned(const I& init, const B* w, const int8_t* q) {
  return dot_widened<(1 << Bits) - 1, N>(init, w, q);
}
template <int N>
inline I dot_signed(const I& init, const B* w, const int8_t* q) {
  return dot_widened<128, N>(init, w, q);
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
