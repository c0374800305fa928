// SPDX-License-Identifier: Apache-2.0
// The small vector type of the kernels in plain C++: F = 16 floats, I = 16 int32, B = 64 bytes (one line of a strip).
// The other vec_*.h files define the same names for their instruction sets; this one says what each must compute.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr int kMaxColumns = 4;     // activation rows that keep their accumulators in registers
constexpr int kMaxColumnsMin = 4;  // the same for formats with minima
constexpr int kSignedZero = 0;     // what as_signed() adds to every code

struct F {
  float v[16];
};
struct I {
  int32_t v[16];
};
struct B {
  uint8_t v[64];
};

template <class V, class Op>
inline V map(Op op) {
  V r;
  for (int i = 0; i < 16; ++i) r.v[i] = op(i);
  return r;
}

// ---- floats. load_n/store_n touch n <= 16 elements, the other lanes are 0. max and min give b where a is NaN.
inline F f_set(float x) {
  return map<F>([&](int) { return x; });
}
inline F f_zero() { return f_set(0); }
inline F f_load(const float* p) {
  return map<F>([&](int i) { return p[i]; });
}
inline F f_load_n(const float* p, int n) {
  return map<F>([&](int i) { return i < n ? p[i] : 0.0f; });
}
inline void f_store(float* p, const F& a) { memcpy(p, a.v, sizeof a.v); }
inline void f_store_n(float* p, const F& a, int n) { memcpy(p, a.v, size_t(n) * sizeof(float)); }
inline F f_add(const F& a, const F& b) {
  return map<F>([&](int i) { return a.v[i] + b.v[i]; });
}
inline F f_sub(const F& a, const F& b) {
  return map<F>([&](int i) { return a.v[i] - b.v[i]; });
}
inline F f_mul(const F& a, const F& b) {
  return map<F>([&](int i) { return a.v[i] * b.v[i]; });
}
inline F f_div(const F& a, const F& b) {
  return map<F>([&](int i) { return a.v[i] / b.v[i]; });
}
inline F f_fma(const F& a, const F& b, const F& c) {
  return map<F>([&](int i) { return __builtin_fmaf(a.v[i], b.v[i], c.v[i]); });
}
inline F f_max(const F& a, const F& b) {
  return map<F>([&](int i) { return a.v[i] > b.v[i] ? a.v[i] : b.v[i]; });
}
inline F f_min(const F& a, const F& b) {
  return map<F>([&](int i) { return a.v[i] < b.v[i] ? a.v[i] : b.v[i]; });
}
inline F f_abs(const F& a) {
  return map<F>([&](int i) { return __builtin_fabsf(a.v[i]); });
}
inline F f_negate(const F& a) {
  return map<F>([&](int i) { return -a.v[i]; });
}
// Lanes first <= i < last of a, `other` elsewhere.
inline F f_window(const F& a, int first, int last, float other) {
  return map<F>([&](int i) { return i >= first && i < last ? a.v[i] : other; });
}
// Lanes i and i + Half (bit Half of i clear): their sum and their difference.
template <int Half>
inline F f_butterfly(const F& a) {
  return map<F>([&](int i) { return i & Half ? a.v[i ^ Half] - a.v[i] : a.v[i] + a.v[i ^ Half]; });
}
// p[i] += p[i+8], += p[i+4], += p[i+2], p[0] + p[1]
inline float f_sum(const F& a) {
  F p = a;
  for (int half = 8; half >= 1; half /= 2)
    for (int i = 0; i < half; ++i) p.v[i] += p.v[i + half];
  return p.v[0];
}
inline float f_largest(const F& a) {
  float m = a.v[0];
  for (int i = 1; i < 16; ++i) m = m > a.v[i] ? m : a.v[i];
  return m;
}

// ---- int32
inline I i_set(int32_t x) {
  return map<I>([&](int) { return x; });
}
inline I i_add(const I& a, const I& b) {
  return map<I>([&](int i) { return a.v[i] + b.v[i]; });
}
inline I i_or(const I& a, const I& b) {
  return map<I>([&](int i) { return a.v[i] | b.v[i]; });
}
inline I i_and(const I& a, int32_t m) {
  return map<I>([&](int i) { return a.v[i] & m; });
}
template <int N>
inline I i_shr(const I& a) {
  return map<I>([&](int i) { return int32_t(uint32_t(a.v[i]) >> N); });
}
template <int N>
inline I i_shl(const I& a) {
  return map<I>([&](int i) { return int32_t(uint32_t(a.v[i]) << N); });
}
inline I i_load_u8(const uint8_t* p) {
  return map<I>([&](int i) { return int32_t(p[i]); });
}
inline I i_load_i8(const uint8_t* p) {
  return map<I>([&](int i) { return int32_t(int8_t(p[i])); });
}
inline void i_store_i8(int8_t* p, const I& a) {
  for (int i = 0; i < 16; ++i) p[i] = int8_t(a.v[i]);
}
inline int32_t i_sum(const I& a) {
  int32_t s = 0;
  for (int i = 0; i < 16; ++i) s += a.v[i];
  return s;
}

// ---- conversions, all exact but i_round (ties to even, |x| <= 127)
inline F f_bits(const I& a) {
  F r;
  memcpy(r.v, a.v, sizeof r.v);
  return r;
}
inline I i_bits(const F& a) {
  I r;
  memcpy(r.v, a.v, sizeof r.v);
  return r;
}
inline F f_from_int(const I& a) {
  return map<F>([&](int i) { return float(a.v[i]); });
}
inline I i_round(const F& a) {
  return map<I>([&](int i) { return int32_t((a.v[i] + 12582912.0f) - 12582912.0f); });
}
inline F f_from_half(const void* p) {
  const uint8_t* h = static_cast<const uint8_t*>(p);
  return map<F>([&](int i) {
    uint16_t bits;
    memcpy(&bits, h + 2 * i, 2);
    return half_to_float(bits);
  });
}
inline F f_from_bfloat(const void* p) {
  const uint8_t* h = static_cast<const uint8_t*>(p);
  return map<F>([&](int i) {
    const uint32_t bits = uint32_t(h[2 * i]) << 16 | uint32_t(h[2 * i + 1]) << 24;
    float f;
    memcpy(&f, &bits, 4);
    return f;
  });
}
inline F f_from_i8(const int8_t* p) {
  return map<F>([&](int i) { return float(p[i]); });
}
inline F f_from_i8_n(const int8_t* p, int n) {
  return map<F>([&](int i) { return i < n ? float(p[i]) : 0.0f; });
}

// ---- lines of 64 bytes: byte 4 r + j belongs to lane r. Shifts move bits inside each byte; what would come from a
// neighbour byte is for the caller to mask.
inline B b_zero() { return B{}; }
inline B b_load(const uint8_t* p) {
  B r;
  memcpy(r.v, p, 64);
  return r;
}
inline B b_and(const B& a, uint8_t m) {
  B r;
  for (int i = 0; i < 64; ++i) r.v[i] = a.v[i] & m;
  return r;
}
inline B b_or(const B& a, const B& b) {
  B r;
  for (int i = 0; i < 64; ++i) r.v[i] = a.v[i] | b.v[i];
  return r;
}
template <int N>
inline B b_shr(const B& a) {
  B r;
  for (int i = 0; i < 64; ++i) r.v[i] = uint8_t(a.v[i] >> N);
  return r;
}
template <int N>
inline B b_shl(const B& a) {
  B r;
  for (int i = 0; i < 64; ++i) r.v[i] = uint8_t(a.v[i] << N);
  return r;
}
// table[code] for codes 0 … 15
inline B b_lookup(const int8_t* table, const B& a) {
  B r;
  for (int i = 0; i < 64; ++i) r.v[i] = uint8_t(table[a.v[i]]);
  return r;
}
// int8 codes in the form dot_signed() wants
inline B as_signed(const B& a) { return a; }

// init + Σ code · q over n lines of 4 inputs; codes below 2^Bits.
template <int Bits, int N>
inline I dot_unsigned(const I& init, const B* w, const int8_t* q) {
  return map<I>([&](int r) {
    int32_t s = init.v[r];
    for (int k = 0; k < 4 * N; ++k) s += int32_t(w[k / 4].v[4 * r + k % 4]) * q[k];
    return s;
  });
}
template <int N>
inline I dot_signed(const I& init, const B* w, const int8_t* q) {
  return map<I>([&](int r) {
    int32_t s = init.v[r];
    for (int k = 0; k < 4 * N; ++k) s += int32_t(int8_t(w[k / 4].v[4 * r + k % 4])) * q[k];
    return s;
  });
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
