// SPDX-License-Identifier: Apache-2.0
// The small vector type (see vec_scalar.h) on AVX-512 with VNNI: one register per line of 64 bytes.
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr int kMaxColumns = 16;
constexpr int kMaxColumnsMin = 16;
constexpr int kSignedZero = 128;  // vpdpbusd wants unsigned codes

struct F {
  __m512 v;
};
struct I {
  __m512i v;
};
struct B {
  __m512i v;
};

inline __mmask16 lanes_below(int n) { return n >= 16 ? 0xffff : n <= 0 ? 0 : __mmask16((1u << n) - 1); }

inline F f_set(float x) { return {_mm512_set1_ps(x)}; }
inline F f_zero() { return {_mm512_setzero_ps()}; }
inline F f_load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline F f_load_n(const float* p, int n) { return {_mm512_maskz_loadu_ps(lanes_below(n), p)}; }
inline void f_store(float* p, const F& a) { _mm512_storeu_ps(p, a.v); }
inline void f_store_n(float* p, const F& a, int n) { _mm512_mask_storeu_ps(p, lanes_below(n), a.v); }
inline F f_add(const F& a, const F& b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F f_sub(const F& a, const F& b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F f_mul(const F& a, const F& b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F f_div(const F& a, const F& b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F f_fma(const F& a, const F& b, const F& c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F f_max(const F& a, const F& b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F f_min(const F& a, const F& b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F f_abs(const F& a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }
inline F f_negate(const F& a) { return {_mm512_xor_ps(a.v, _mm512_set1_ps(-0.0f))}; }
inline F f_window(const F& a, int first, int last, float other) {
  const __mmask16 inside = __mmask16(lanes_below(last) & ~lanes_below(first));
  return {_mm512_mask_blend_ps(inside, _mm512_set1_ps(other), a.v)};
}
template <int Half>
inline F f_butterfly(const F& a) {
  __m512 other;
  if constexpr (Half == 8) other = _mm512_shuffle_f32x4(a.v, a.v, 0x4e);
  if constexpr (Half == 4) other = _mm512_shuffle_f32x4(a.v, a.v, 0xb1);
  if constexpr (Half == 2) other = _mm512_permute_ps(a.v, 0x4e);
  if constexpr (Half == 1) other = _mm512_permute_ps(a.v, 0xb1);
  constexpr __mmask16 kUpper = Half == 8 ? 0xff00 : Half == 4 ? 0xf0f0 : Half == 2 ? 0xcccc : 0xaaaa;
  return {_mm512_mask_sub_ps(_mm512_add_ps(a.v, other), kUpper, other, a.v)};
}
inline float f_sum(const F& a) {
  const __m256 p8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 p4 = _mm_add_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_add_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_add_ss(p2, _mm_movehdup_ps(p2)));
}
inline float f_largest(const F& a) { return _mm512_reduce_max_ps(a.v); }

inline I i_set(int32_t x) { return {_mm512_set1_epi32(x)}; }
inline I i_add(const I& a, const I& b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline I i_or(const I& a, const I& b) { return {_mm512_or_si512(a.v, b.v)}; }
inline I i_and(const I& a, int32_t m) { return {_mm512_and_si512(a.v, _mm512_set1_epi32(m))}; }
template <int N>
inline I i_shr(const I& a) {
  return {_mm512_srli_epi32(a.v, N)};
}
template <int N>
inline I i_shl(const I& a) {
  return {_mm512_slli_epi32(a.v, N)};
}
inline __m128i load_16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline I i_load_u8(const uint8_t* p) { return {_mm512_cvtepu8_epi32(load_16(p))}; }
inline I i_load_i8(const uint8_t* p) { return {_mm512_cvtepi8_epi32(load_16(p))}; }
inline void i_store_i8(int8_t* p, const I& a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}
inline int32_t i_sum(const I& a) { return _mm512_reduce_add_epi32(a.v); }

inline F f_bits(const I& a) { return {_mm512_castsi512_ps(a.v)}; }
inline I i_bits(const F& a) { return {_mm512_castps_si512(a.v)}; }
inline F f_from_int(const I& a) { return {_mm512_cvtepi32_ps(a.v)}; }
inline I i_round(const F& a) { return {_mm512_cvtps_epi32(a.v)}; }
inline F f_from_half(const void* p) { return {_mm512_cvtph_ps(_mm256_loadu_si256(static_cast<const __m256i*>(p)))}; }
inline F f_from_bfloat(const void* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(static_cast<const __m256i*>(p)));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(wide, 16))};
}
inline F f_from_i8(const int8_t* p) { return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16(p)))}; }
inline F f_from_i8_n(const int8_t* p, int n) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(lanes_below(n), p)))};
}

inline B b_zero() { return {_mm512_setzero_si512()}; }
inline B b_load(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
inline B b_and(const B& a, uint8_t m) { return {_mm512_and_si512(a.v, _mm512_set1_epi8(char(m)))}; }
inline B b_or(const B& a, const B& b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int N>
inline B b_shr(const B& a) {
  return {_mm512_srli_epi16(a.v, N)};
}
template <int N>
inline B b_shl(const B& a) {
  return {_mm512_slli_epi16(a.v, N)};
}
inline B b_lookup(const int8_t* table, const B& a) {
  return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(load_16(table)), a.v)};
}
inline B as_signed(const B& a) { return {_mm512_xor_si512(a.v, _mm512_set1_epi8(char(0x80)))}; }

template <int Bits, int N>
inline I dot_unsigned(const I& init, const B* w, const int8_t* q) {
  __m512i s = init.v;
  for (int i = 0; i < N; ++i) {
    int32_t four;
    memcpy(&four, q + 4 * i, 4);
    s = _mm512_dpbusd_epi32(s, w[i].v, _mm512_set1_epi32(four));
  }
  return {s};
}
template <int N>
inline I dot_signed(const I& init, const B* w, const int8_t* q) {
  return dot_unsigned<8, N>(init, w, q);
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
