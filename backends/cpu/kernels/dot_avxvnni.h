// SPDX-License-Identifier: Apache-2.0
// Integer products of vec_avx2.h with AVX-VNNI: vpdpbusd in its VEX encoding, which CPUs without AVX-512 have.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr int kSignedZero = 128;  // vpdpbusd wants unsigned codes

inline B as_signed(const B& a) {
  const __m256i sign = _mm256_set1_epi8(char(0x80));
  return {{_mm256_xor_si256(a.v[0], sign), _mm256_xor_si256(a.v[1], sign)}};
}

template <int Bits, int N>
inline I dot_unsigned(const I& init, const B* w, const int8_t* q) {
  I s = init;
  for (int i = 0; i < N; ++i) {
    const __m256i x = broadcast_4(q + 4 * i);
    for (int h = 0; h < 2; ++h) s.v[h] = _mm256_dpbusd_avx_epi32(s.v[h], w[i].v[h], x);
  }
  return s;
}
template <int N>
inline I dot_signed(const I& init, const B* w, const int8_t* q) {
  return dot_unsigned<8, N>(init, w, q);
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
