// SPDX-License-Identifier: Apache-2.0
// What happens to whole rows between the matrix products: norms, quantization, gates, rope, writing the cache.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

// op(vector index i, lanes n) over n values, 16 at a time.
template <class Op>
inline void by_16(uint32_t n, Op op) {
  for (uint32_t i = 0; i < n; i += 16) op(i, int(n - i < 16 ? n - i : 16));
}

void store(float* dest, const float* value, const float* bias, bool accumulate, uint32_t n) {
  F v = f_load(value);
  if (bias) v = f_add(v, f_load_n(bias, int(n)));
  if (accumulate) v = f_add(f_load_n(dest, int(n)), v);
  f_store_n(dest, v, int(n));
}

float inverse_rms(const float* x, uint32_t n, float eps) {
  F p = f_zero();
  by_16(n, [&](uint32_t i, int lanes) {
    const F v = f_load_n(x + i, lanes);
    p = f_fma(v, v, p);
  });
  return 1.0f / __builtin_sqrtf(f_sum(p) / float(n) + eps);
}

void normalize(const float* x, float inverse, const float* w, float* y, uint32_t n) {
  const F inv = f_set(inverse);
  by_16(n, [&](uint32_t i, int lanes) {
    f_store_n(y + i, f_mul(f_mul(f_load_n(x + i, lanes), inv), f_load_n(w + i, lanes)), lanes);
  });
}

void add(const float* x, const float* y, float* sum, uint32_t n) {
  by_16(n, [&](uint32_t i, int lanes) {
    f_store_n(sum + i, f_add(f_load_n(x + i, lanes), f_load_n(y + i, lanes)), lanes);
  });
}

// ---- quantization -----------------------------------------------------------------------------------------------

inline I to_int8(const F& x, const F& inv) {
  return i_round(f_min(f_max(f_mul(x, inv), f_set(-127.0f)), f_set(127.0f)));
}

// Walsh-Hadamard transform of 32 channels. Dot products of two transformed vectors are 32 times the original ones, but
// a channel that stands out is spread over all 32, so that rounding to int8 leaves the others their digits.
inline void rotate(F* a, F* b) {
  const F sum = f_add(*a, *b), difference = f_sub(*a, *b);
  *a = f_butterfly<1>(f_butterfly<2>(f_butterfly<4>(f_butterfly<8>(sum))));
  *b = f_butterfly<1>(f_butterfly<2>(f_butterfly<4>(f_butterfly<8>(difference))));
}

// What rounding to int8 left, in 256ths.
inline I low_byte(const F& x, const F& inv, const I& rounded) {
  return to_int8(f_sub(f_mul(x, inv), f_from_int(rounded)), f_set(256.0f));
}

// Channels [32 g, 32 g + 32) of n, zeros beyond.
inline void load_group(const float* x, uint32_t n, uint32_t g, F* a, F* b) {
  const uint32_t begin = 32 * g, left = begin < n ? n - begin : 0;
  *a = f_load_n(x + begin, int(left < 16 ? left : 16));
  *b = left > 16 ? f_load_n(x + begin + 16, int(left < 32 ? left - 16 : 16)) : f_zero();
}

// kQuery: whole groups rotated, codes of 16 bits.
template <bool kQuery>
inline void quantize_groups(const float* x, uint32_t n, uint32_t n_groups, const QuantizedRow& row) {
  for (uint32_t g = 0; g < n_groups; ++g) {
    F a, b;
    load_group(x, n, g, &a, &b);
    if (kQuery && 32 * g + 32 <= n) {
      rotate(&a, &b);
      a = f_mul(a, f_set(1.0f / 32)), b = f_mul(b, f_set(1.0f / 32));
    }
    const float amax = f_largest(f_max(f_abs(a), f_abs(b)));
    const bool counts = amax >= 0x1p-100f;
    float scale = counts ? amax / 127.0f : 0.0f;
    const F inv = f_set(counts ? 127.0f / amax : 0.0f);
    const I qa = to_int8(a, inv), qb = to_int8(b, inv);
    i_store_i8(row.q + g * row.q_step, qa);
    i_store_i8(row.q + g * row.q_step + 16, qb);
    int32_t sum_a = i_sum(qa), sum_b = i_sum(qb);
    if constexpr (kQuery) {
      const I la = low_byte(a, inv, qa), lb = low_byte(b, inv, qb);
      i_store_i8(row.q_low + g * row.q_step, la);
      i_store_i8(row.q_low + g * row.q_step + 16, lb);
      sum_a = 256 * sum_a + i_sum(la), sum_b = 256 * sum_b + i_sum(lb);
      scale *= 1.0f / 256;
    }
    row.scale[g * row.step] = scale;
    row.sum16[2 * g * row.step] = sum_a;
    row.sum16[2 * g * row.step + 1] = sum_b;
    if (row.scaled_sum) row.scaled_sum[g * row.step] = scale * float(sum_a + sum_b);
  }
}

void quantize(const float* x, uint32_t n, uint32_t n_groups, const QuantizedRow& row) {
  quantize_groups<false>(x, n, n_groups, row);
}

void quantize_query(const float* x, uint32_t n, uint32_t n_groups, const QuantizedRow& row) {
  quantize_groups<true>(x, n, n_groups, row);
}

void scale_sums(const float* scale, const int32_t* sum16, float* scaled_sum, uint32_t n_groups) {
  for (uint32_t g = 0; g < n_groups; ++g) scaled_sum[g] = scale[g] * float(sum16[2 * g] + sum16[2 * g + 1]);
}

// The f16 scale of a cache group whose largest magnitude is amax, and 1 / scale.
inline uint16_t cache_scale(float amax, float* inverse) {
  const float wanted = amax / 127.0f;
  const uint16_t bits = half_from_float(wanted < 65504.0f ? wanted : 65504.0f);
  *inverse = bits == 0 ? 0.0f : 1.0f / half_to_float(bits);
  return bits;
}

void write_key(const float* key, uint32_t head_dim, int8_t* keys, uint16_t* scales, uint32_t lane) {
  const uint32_t n_groups = (head_dim + 31) / 32, dim4 = (head_dim + 3) / 4;
  for (uint32_t g = 0; g < n_groups; ++g) {
    F a, b;
    load_group(key, head_dim, g, &a, &b);
    if (32 * g + 32 <= head_dim) rotate(&a, &b);
    float inv;
    scales[16 * g + lane] = cache_scale(f_largest(f_max(f_abs(a), f_abs(b))), &inv);
    int8_t q[32];
    i_store_i8(q, to_int8(a, f_set(inv)));
    i_store_i8(q + 16, to_int8(b, f_set(inv)));
    const uint32_t quads = dim4 - 8 * g < 8 ? dim4 - 8 * g : 8;
    for (uint32_t i = 0; i < quads; ++i) memcpy(keys + (8 * g + i) * 64 + 4 * lane, q + 4 * i, 4);
  }
}

void write_value(const float* value, uint32_t head_dim, int8_t* values, uint16_t* scale) {
  F m = f_zero();
  by_16(head_dim, [&](uint32_t i, int lanes) { m = f_max(m, f_abs(f_load_n(value + i, lanes))); });
  float inv;
  *scale = cache_scale(f_largest(m), &inv);
  by_16(head_dim, [&](uint32_t i, int lanes) {
    int8_t q[16];
    i_store_i8(q, to_int8(f_load_n(value + i, lanes), f_set(inv)));
    memcpy(values + i, q, size_t(lanes));
  });
}

// ---- gates, rope ------------------------------------------------------------------------------------------------

void gate_silu(const float* gate, const float* up, float* out, uint32_t n) {
  by_16(n, [&](uint32_t i, int lanes) {
    f_store_n(out + i, f_mul(silu_f(f_load_n(gate + i, lanes)), f_load_n(up + i, lanes)), lanes);
  });
}

void gate_gelu_tanh(const float* gate, const float* up, float* out, uint32_t n) {
  by_16(n, [&](uint32_t i, int lanes) {
    f_store_n(out + i, f_mul(gelu_tanh_f(f_load_n(gate + i, lanes)), f_load_n(up + i, lanes)), lanes);
  });
}

void softcap(float* x, float cap, uint32_t n) {
  by_16(n, [&](uint32_t i, int lanes) { f_store_n(x + i, softcap_f(f_load_n(x + i, lanes), f_set(cap)), lanes); });
}

void rope(float* head, const float* cos, const float* sin, uint32_t half) {
  by_16(half, [&](uint32_t i, int lanes) {
    const F a = f_load_n(head + i, lanes), b = f_load_n(head + half + i, lanes);
    const F c = f_load_n(cos + i, lanes), s = f_load_n(sin + i, lanes);
    f_store_n(head + i, f_fma(a, c, f_negate(f_mul(b, s))), lanes);
    f_store_n(head + half + i, f_fma(a, s, f_mul(b, c)), lanes);
  });
}

// ---- probes -----------------------------------------------------------------------------------------------------

uint64_t read_bytes(const uint8_t* data, size_t n) {
  B sum[4] = {b_zero(), b_zero(), b_zero(), b_zero()};
  for (size_t i = 0; i + 256 <= n; i += 256)
    for (int j = 0; j < 4; ++j) sum[j] = b_or(sum[j], b_load(data + i + 64 * j));
  const B all = b_or(b_or(sum[0], sum[1]), b_or(sum[2], sum[3]));
  const I dots = dot_unsigned<4, 1>(i_set(0), &all, reinterpret_cast<const int8_t*>("\1\1\1\1"));
  return uint64_t(uint32_t(i_sum(dots)));
}

int32_t multiply_int8(const uint8_t* lines, const int8_t* q, uint32_t rounds) {
  B w[8];
  for (int i = 0; i < 8; ++i) w[i] = b_load(lines + 64 * i);
  I sum[8];
  for (int c = 0; c < 8; ++c) sum[c] = i_set(0);
  for (uint32_t r = 0; r < rounds; ++r)
    for (int c = 0; c < 8; ++c) sum[c] = dot_unsigned<4, 8>(sum[c], w, q + 32 * c);
  I all = sum[0];
  for (int c = 1; c < 8; ++c) all = i_add(all, sum[c]);
  return i_sum(all);
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
