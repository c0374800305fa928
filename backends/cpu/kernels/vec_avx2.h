// SPDX-License-Identifier: Apache-2.0
// The small vector type (see vec_scalar.h) on AVX2 with FMA and F16C: two registers per vector, lanes 0-7 and 8-15. Its
// integer products are in dot_avx2.h and dot_avxvnni.h.
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr int kMaxColumns = 4;
constexpr int kMaxColumnsMin = 2;

struct F {
  __m256 v[2];
};
struct I {
  __m256i v[2];
};
struct B {
  __m256i v[2];
};

inline __m256i mask_below(int n) {  // lanes i < n
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

inline F f_set(float x) { return {{_mm256_set1_ps(x), _mm256_set1_ps(x)}}; }
inline F f_zero() { return {{_mm256_setzero_ps(), _mm256_setzero_ps()}}; }
inline F f_load(const float* p) { return {{_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}}; }
inline F f_load_n(const float* p, int n) {
  if (n >= 16) return f_load(p);
  return {{_mm256_maskload_ps(p, mask_below(n)),
           n > 8 ? _mm256_maskload_ps(p + 8, mask_below(n - 8)) : _mm256_setzero_ps()}};
}
inline void f_store(float* p, const F& a) { _mm256_storeu_ps(p, a.v[0]), _mm256_storeu_ps(p + 8, a.v[1]); }
inline void f_store_n(float* p, const F& a, int n) {
  if (n >= 16) return f_store(p, a);
  _mm256_maskstore_ps(p, mask_below(n), a.v[0]);
  if (n > 8) _mm256_maskstore_ps(p + 8, mask_below(n - 8), a.v[1]);
}
#define SLUICE_BOTH(op)                        \
  {                                            \
    { op(a.v[0], b.v[0]), op(a.v[1], b.v[1]) } \
  }
inline F f_add(const F& a, const F& b) { return SLUICE_BOTH(_mm256_add_ps); }
inline F f_sub(const F& a, const F& b) { return SLUICE_BOTH(_mm256_sub_ps); }
inline F f_mul(const F& a, const F& b) { return SLUICE_BOTH(_mm256_mul_ps); }
inline F f_div(const F& a, const F& b) { return SLUICE_BOTH(_mm256_div_ps); }
inline F f_max(const F& a, const F& b) { return SLUICE_BOTH(_mm256_max_ps); }
inline F f_min(const F& a, const F& b) { return SLUICE_BOTH(_mm256_min_ps); }
inline I i_add(const I& a, const I& b) { return SLUICE_BOTH(_mm256_add_epi32); }
inline I i_or(const I& a, const I& b) { return SLUICE_BOTH(_mm256_or_si256); }
inline B b_or(const B& a, const B& b) { return SLUICE_BOTH(_mm256_or_si256); }
#undef SLUICE_BOTH
inline F f_fma(const F& a, const F& b, const F& c) {
  return {{_mm256_fmadd_ps(a.v[0], b.v[0], c.v[0]), _mm256_fmadd_ps(a.v[1], b.v[1], c.v[1])}};
}
inline F f_abs(const F& a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {{_mm256_andnot_ps(sign, a.v[0]), _mm256_andnot_ps(sign, a.v[1])}};
}
inline F f_negate(const F& a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {{_mm256_xor_ps(sign, a.v[0]), _mm256_xor_ps(sign, a.v[1])}};
}
inline F f_window(const F& a, int first, int last, float other) {
  F r;
  for (int h = 0; h < 2; ++h) {
    const __m256i inside = _mm256_andnot_si256(mask_below(first - 8 * h), mask_below(last - 8 * h));
    r.v[h] = _mm256_blendv_ps(_mm256_set1_ps(other), a.v[h], _mm256_castsi256_ps(inside));
  }
  return r;
}
template <int Half>
inline F f_butterfly(const F& a) {
  if constexpr (Half == 8) return {{_mm256_add_ps(a.v[0], a.v[1]), _mm256_sub_ps(a.v[0], a.v[1])}};
  F r = a;
  for (__m256& v : r.v) {
    __m256 other = v;
    if constexpr (Half == 4) other = _mm256_permute2f128_ps(v, v, 1);
    if constexpr (Half == 2) other = _mm256_permute_ps(v, 0x4e);
    if constexpr (Half == 1) other = _mm256_permute_ps(v, 0xb1);
    constexpr int kUpper = Half == 4 ? 0xf0 : Half == 2 ? 0xcc : 0xaa;
    v = _mm256_blend_ps(_mm256_add_ps(v, other), _mm256_sub_ps(other, v), kUpper);
  }
  return r;
}
inline float f_sum(const F& a) {
  const __m256 p8 = _mm256_add_ps(a.v[0], a.v[1]);
  const __m128 p4 = _mm_add_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_add_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_add_ss(p2, _mm_movehdup_ps(p2)));
}
inline float f_largest(const F& a) {
  const __m256 p8 = _mm256_max_ps(a.v[0], a.v[1]);
  const __m128 p4 = _mm_max_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_max_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_max_ss(p2, _mm_movehdup_ps(p2)));
}

inline I i_set(int32_t x) { return {{_mm256_set1_epi32(x), _mm256_set1_epi32(x)}}; }
inline I i_and(const I& a, int32_t m) {
  const __m256i mask = _mm256_set1_epi32(m);
  return {{_mm256_and_si256(a.v[0], mask), _mm256_and_si256(a.v[1], mask)}};
}
template <int N>
inline I i_shr(const I& a) {
  return {{_mm256_srli_epi32(a.v[0], N), _mm256_srli_epi32(a.v[1], N)}};
}
template <int N>
inline I i_shl(const I& a) {
  return {{_mm256_slli_epi32(a.v[0], N), _mm256_slli_epi32(a.v[1], N)}};
}
inline __m128i load_8(const void* p) { return _mm_loadl_epi64(static_cast<const __m128i*>(p)); }
inline __m128i load_16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline I i_load_u8(const uint8_t* p) {
  return {{_mm256_cvtepu8_epi32(load_8(p)), _mm256_cvtepu8_epi32(load_8(p + 8))}};
}
inline I i_load_i8(const uint8_t* p) {
  return {{_mm256_cvtepi8_epi32(load_8(p)), _mm256_cvtepi8_epi32(load_8(p + 8))}};
}
inline void i_store_i8(int8_t* p, const I& a) {
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.v[0], a.v[1]), 0xd8);
  const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
}
inline int32_t i_sum(const I& a) {
  const __m256i p8 = _mm256_add_epi32(a.v[0], a.v[1]);
  const __m128i p4 = _mm_add_epi32(_mm256_castsi256_si128(p8), _mm256_extracti128_si256(p8, 1));
  const __m128i p2 = _mm_add_epi32(p4, _mm_shuffle_epi32(p4, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(p2, _mm_shuffle_epi32(p2, 0xb1)));
}

inline F f_bits(const I& a) { return {{_mm256_castsi256_ps(a.v[0]), _mm256_castsi256_ps(a.v[1])}}; }
inline I i_bits(const F& a) { return {{_mm256_castps_si256(a.v[0]), _mm256_castps_si256(a.v[1])}}; }
inline F f_from_int(const I& a) { return {{_mm256_cvtepi32_ps(a.v[0]), _mm256_cvtepi32_ps(a.v[1])}}; }
inline I i_round(const F& a) { return {{_mm256_cvtps_epi32(a.v[0]), _mm256_cvtps_epi32(a.v[1])}}; }
inline F f_from_half(const void* p) {
  const auto* h = static_cast<const uint8_t*>(p);
  return {{_mm256_cvtph_ps(load_16(h)), _mm256_cvtph_ps(load_16(h + 16))}};
}
inline F f_from_bfloat(const void* p) {
  const auto* h = static_cast<const uint8_t*>(p);
  const __m256i a = _mm256_cvtepu16_epi32(load_16(h)), b = _mm256_cvtepu16_epi32(load_16(h + 16));
  return {{_mm256_castsi256_ps(_mm256_slli_epi32(a, 16)), _mm256_castsi256_ps(_mm256_slli_epi32(b, 16))}};
}
inline F f_from_i8(const int8_t* p) { return f_from_int(i_load_i8(reinterpret_cast<const uint8_t*>(p))); }
inline F f_from_i8_n(const int8_t* p, int n) {
  int8_t full[16] = {};
  memcpy(full, p, size_t(n));
  return f_from_i8(full);
}

inline B b_zero() { return {{_mm256_setzero_si256(), _mm256_setzero_si256()}}; }
inline B b_load(const uint8_t* p) {
  return {{_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
           _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))}};
}
inline B b_and(const B& a, uint8_t m) {
  const __m256i mask = _mm256_set1_epi8(char(m));
  return {{_mm256_and_si256(a.v[0], mask), _mm256_and_si256(a.v[1], mask)}};
}
template <int N>
inline B b_shr(const B& a) {
  return {{_mm256_srli_epi16(a.v[0], N), _mm256_srli_epi16(a.v[1], N)}};
}
template <int N>
inline B b_shl(const B& a) {
  return {{_mm256_slli_epi16(a.v[0], N), _mm256_slli_epi16(a.v[1], N)}};
}
inline B b_lookup(const int8_t* table, const B& a) {
  const __m256i t = _mm256_broadcastsi128_si256(load_16(table));
  return {{_mm256_shuffle_epi8(t, a.v[0]), _mm256_shuffle_epi8(t, a.v[1])}};
}

inline __m256i broadcast_4(const int8_t* q) {
  int32_t four;
  memcpy(&four, q, 4);
  return _mm256_set1_epi32(four);
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
