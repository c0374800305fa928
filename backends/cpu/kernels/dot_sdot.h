// SPDX-License-Identifier: Apache-2.0
// Integer products of vec_neon.h with the dot product extension: a register of 4 lanes x 4 inputs is just what sdot
// takes.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr int kSignedZero = 0;

inline B as_signed(const B& a) { return a; }

// Codes below 128 are valid int8, so one instruction serves both.
template <int N>
inline I dot_signed(const I& init, const B* w, const int8_t* q) {
  I s = init;
  for (int i = 0; i < N; ++i) {
    const int8x16_t x = broadcast_4(q + 4 * i);
    for (int j = 0; j < 4; ++j) s.v[j] = vdotq_s32(s.v[j], vreinterpretq_s8_u8(w[i].v[j]), x);
  }
  return s;
}
template <int Bits, int N>
inline I dot_unsigned(const I& init, const B* w, const int8_t* q) {
  static_assert(Bits < 8);
  return dot_signed<N>(init, w, q);
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
