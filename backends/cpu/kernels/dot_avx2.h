// SPDX-License-Identifier: Apache-2.0
// Integer products of vec_avx2.h without VNNI.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr int kSignedZero = 0;

inline B as_signed(const B& a) { return a; }

// vpmaddubsw gives sums of two products in int16; as many of them are added there as cannot overflow
// (2 · (2^Bits - 1) · 127 each: 8 lines of 4 bits, 4 of 5, 2 of 6), then widened.
template <int Bits, int N>
inline I dot_unsigned(const I& init, const B* w, const int8_t* q) {
  constexpr int kRun = Bits == 4 ? 8 : Bits == 5 ? 4 : 2;
  constexpr int kStep = kRun < N ? kRun : N;
  static_assert(kStep * 2 * ((1 << Bits) - 1) * 127 < 32768);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i s0 = init.v[0], s1 = init.v[1];
  for (int i = 0; i < N; i += kStep) {
    __m256i x = broadcast_4(q + 4 * i);
    __m256i a = _mm256_maddubs_epi16(w[i].v[0], x), b = _mm256_maddubs_epi16(w[i].v[1], x);
    for (int j = i + 1; j < i + kStep; ++j) {
      x = broadcast_4(q + 4 * j);
      a = _mm256_add_epi16(a, _mm256_maddubs_epi16(w[j].v[0], x));
      b = _mm256_add_epi16(b, _mm256_maddubs_epi16(w[j].v[1], x));
    }
    s0 = _mm256_add_epi32(s0, _mm256_madd_epi16(a, ones));
    s1 = _mm256_add_epi32(s1, _mm256_madd_epi16(b, ones));
  }
  return {{s0, s1}};
}

// |w| · (q with w's sign): 2 · 128 · 127 fits int16.
template <int N>
inline I dot_signed(const I& init, const B* w, const int8_t* q) {
  const __m256i ones = _mm256_set1_epi16(1);
  I s = init;
  for (int i = 0; i < N; ++i) {
    const __m256i x = broadcast_4(q + 4 * i);
    for (int h = 0; h < 2; ++h) {
      const __m256i products = _mm256_maddubs_epi16(_mm256_abs_epi8(w[i].v[h]), _mm256_sign_epi8(x, w[i].v[h]));
      s.v[h] = _mm256_add_epi32(s.v[h], _mm256_madd_epi16(products, ones));
    }
  }
  return s;
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
