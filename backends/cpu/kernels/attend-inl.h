// SPDX-License-Identifier: Apache-2.0
// Attention over one block of 256 cache slots for up to 16 queries of one KV head: integer scores in the weights' own
// tile, own maximum, and the weighted sum of the values; then the merge of blocks in order.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

// l[c] of 16 slots, before the attention scale.
template <int NC>
inline void scores(const AttendBlock& a, const int8_t* keys, const uint16_t* key_scales, uint32_t c0, float* out) {
  const uint32_t n_groups = (a.head_dim + 31) / 32, dim4 = (a.head_dim + 3) / 4;
  F acc[NC];
  for (int c = 0; c < NC; ++c) acc[c] = f_zero();
  for (uint32_t g = 0; g < n_groups; ++g) {
    B w[8];
    for (uint32_t i = 0; i < 8; ++i)
      w[i] = as_signed(8 * g + i < dim4 ? b_load(reinterpret_cast<const uint8_t*>(keys) + (8 * g + i) * 64) : b_zero());
    const F scale = f_from_half(key_scales + 16 * g);
    const size_t at = size_t(g) * a.q.width + c0;
    for (int c = 0; c < NC; ++c) {
      const int32_t* sums = a.q.sum16 + 2 * (at + size_t(c));
      const I high = dot_signed<8>(i_set(0), w, a.q.q + (at + size_t(c)) * 32);
      const I dot = dot_signed<8>(i_add(i_shl<8>(high), i_set(-kSignedZero * (sums[0] + sums[1]))), w,
                                  a.q.q_low + (at + size_t(c)) * 32);
      acc[c] = f_fma(f_from_int(dot), f_mul(scale, f_set(a.q.scale[at + size_t(c)])), acc[c]);
    }
  }
  const F scale = f_set(a.scale), cap = f_set(a.softcap);
  for (int c = 0; c < NC; ++c) {
    F l = f_mul(acc[c], scale);
    if (a.softcap > 0) l = softcap_f(l, cap);
    f_store(out + (c0 + uint32_t(c)) * 256, l);
  }
}

// o[c] over 16 NV channels from `channel`; slots outside a column's window have weight 0.
template <int NV, int NC>
inline void weigh_values(const AttendBlock& a, uint32_t channel, int lanes, uint32_t c0, uint32_t begin, uint32_t end) {
  F o[NC][NV];
  for (int c = 0; c < NC; ++c)
    for (int v = 0; v < NV; ++v) o[c][v] = f_zero();
  const int8_t* values = a.values + channel;
  const float* weights = a.weights + c0 * 256;
  for (uint32_t s = begin; s < end; ++s) {
    F x[NV];
    const int8_t* row = values + size_t(s) * a.head_dim;
    if constexpr (NV == 1) {
      x[0] = lanes == 16 ? f_from_i8(row) : f_from_i8_n(row, lanes);
    } else {
      for (int v = 0; v < NV; ++v) x[v] = f_from_i8(row + 16 * v);
    }
    for (int c = 0; c < NC; ++c) {
      const F p = f_set(weights[c * 256 + s]);
      for (int v = 0; v < NV; ++v) o[c][v] = f_fma(p, x[v], o[c][v]);
    }
  }
  for (int c = 0; c < NC; ++c)
    for (int v = 0; v < NV; ++v)
      f_store_n(a.out + size_t(c0 + uint32_t(c)) * a.head_dim + channel + 16 * uint32_t(v), o[c][v],
                NV == 1 ? lanes : 16);
}

// Slots [begin, end) that any of n columns sees; begin >= end if none does.
inline void visible(const AttendBlock& a, uint32_t c0, uint32_t n, uint32_t* begin, uint32_t* end) {
  *begin = 256, *end = 0;
  for (uint32_t c = c0; c < c0 + n; ++c) {
    if (a.first[c] == a.last[c]) continue;
    *begin = a.first[c] < *begin ? a.first[c] : *begin;
    *end = a.last[c] > *end ? a.last[c] : *end;
  }
}

template <int NC>
inline void weigh_columns(const AttendBlock& a, uint32_t c0) {
  uint32_t begin, end;
  visible(a, c0, NC, &begin, &end);
  uint32_t channel = 0;
  for (; channel + 32 <= a.head_dim; channel += 32) weigh_values<2, NC>(a, channel, 16, c0, begin, end);
  for (; channel < a.head_dim; channel += 16) {
    const uint32_t left = a.head_dim - channel;
    weigh_values<1, NC>(a, channel, int(left < 16 ? left : 16), c0, begin, end);
  }
}

void attend_block(const AttendBlock& a) {
  uint32_t begin, end;
  visible(a, 0, a.q.width, &begin, &end);
  if (begin >= end) return;
  const uint32_t n_groups = (a.head_dim + 31) / 32, dim4 = (a.head_dim + 3) / 4;
  begin = begin / 16 * 16;
  for (uint32_t s = begin; s < end; s += 16) {
    const int8_t* keys = a.keys + size_t(s / 16) * dim4 * 64;
    const uint16_t* scales = a.key_scales + size_t(s / 16) * n_groups * 16;
    uint32_t c = 0;
    for (; c + 4 <= a.q.width; c += 4) scores<4>(a, keys, scales, c, a.weights + s);
    for (; c < a.q.width; ++c) scores<1>(a, keys, scales, c, a.weights + s);
  }
  for (uint32_t c = 0; c < a.q.width; ++c) {
    const int first = a.first[c], last = a.last[c];
    float* l = a.weights + c * 256;
    F m = f_set(-__builtin_inff());
    for (uint32_t s = begin; s < end; s += 16)
      m = f_max(m, f_window(f_load(l + s), first - int(s), last - int(s), -__builtin_inff()));
    const float max = f_largest(m);
    F sum = f_zero();
    for (uint32_t s = begin; s < end; s += 16) {
      const F p = f_window(exp_f(f_sub(f_load(l + s), f_set(max))), first - int(s), last - int(s), 0.0f);
      sum = f_add(sum, p);
      f_store(l + s, f_mul(p, f_from_half(a.value_scales + s)));  // of free slots anything; they are never weighed
    }
    a.max[c] = max;
    a.sum[c] = f_sum(sum);
  }
  uint32_t c = 0;
  for (; c + 4 <= a.q.width; c += 4) weigh_columns<4>(a, c);
  for (; c + 2 <= a.q.width; c += 2) weigh_columns<2>(a, c);
  for (; c < a.q.width; ++c) weigh_columns<1>(a, c);
}

void merge(float* max, float* sum, float* out, float next_max, float next_sum, const float* next, uint32_t n) {
  const float m = *max > next_max ? *max : next_max;
  const float a = exp_1(*max - m), b = exp_1(next_max - m);
  *max = m;
  *sum = __builtin_fmaf(next_sum, b, *sum * a);
  const F va = f_set(a), vb = f_set(b);
  by_16(n, [&](uint32_t i, int lanes) {
    f_store_n(out + i, f_fma(f_load_n(next + i, lanes), vb, f_mul(f_load_n(out + i, lanes), va)), lanes);
  });
}

void divide(float* out, const float* o, float sum, uint32_t n) {
  by_16(n, [&](uint32_t i, int lanes) { f_store_n(out + i, f_div(f_load_n(o + i, lanes), f_set(sum)), lanes); });
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
