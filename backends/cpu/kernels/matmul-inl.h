// SPDX-License-Identifier: Apache-2.0
// One strip (16 rows) times up to 16 activation rows, for every weight format. Lane = row of the strip, so nothing is
// ever summed across lanes; a group of 32 inputs is unpacked once into 8 lines and used for all columns.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

// ---- codes ------------------------------------------------------------------------------------------------------

// Line i of the group: bit i of each byte of `line`, as bit 4.
template <int N>
inline B bit4(const B& line) {
  if constexpr (N < 4)
    return b_and(b_shl<4 - N>(line), 0x10);
  else if constexpr (N == 4)
    return b_and(line, 0x10);
  else
    return b_and(b_shr<N - 4>(line), 0x10);
}

// Bits 2 N, 2 N + 1 of each byte, as bits 4, 5.
template <int N>
inline B bits45(const B& line) {
  if constexpr (N < 2)
    return b_and(b_shl<4 - 2 * N>(line), 0x30);
  else if constexpr (N == 2)
    return b_and(line, 0x30);
  else
    return b_and(b_shr<2>(line), 0x30);
}

// The 8 lines of group `g`; `low` holds the nibbles or int8 codes of the block, `high` the further bits.
template <int Bits>
inline void unpack(const uint8_t* low, const uint8_t* high, uint32_t g, B w[8]) {
  if constexpr (Bits == 8) {
    for (int i = 0; i < 8; ++i) w[i] = as_signed(b_load(low + (8 * g + uint32_t(i)) * 64));
  } else {
    for (int i = 0; i < 4; ++i) {
      const B line = b_load(low + (4 * g + uint32_t(i)) * 64);
      w[i] = b_and(line, 15);
      w[4 + i] = b_and(b_shr<4>(line), 15);
    }
    if constexpr (Bits == 5) {
      const B h = b_load(high + g * 64);
      w[0] = b_or(w[0], bit4<0>(h)), w[1] = b_or(w[1], bit4<1>(h));
      w[2] = b_or(w[2], bit4<2>(h)), w[3] = b_or(w[3], bit4<3>(h));
      w[4] = b_or(w[4], bit4<4>(h)), w[5] = b_or(w[5], bit4<5>(h));
      w[6] = b_or(w[6], bit4<6>(h)), w[7] = b_or(w[7], bit4<7>(h));
    } else if constexpr (Bits == 6) {
      for (int h = 0; h < 2; ++h) {
        const B line = b_load(high + (2 * g + uint32_t(h)) * 64);
        B* v = w + 4 * h;
        v[0] = b_or(v[0], bits45<0>(line)), v[1] = b_or(v[1], bits45<1>(line));
        v[2] = b_or(v[2], bits45<2>(line)), v[3] = b_or(v[3], bits45<3>(line));
      }
    }
  }
}

// ---- integer formats --------------------------------------------------------------------------------------------

enum class Scales { kF16, kF16Min, kSuper6Min, kSuper8 };

template <int kBits, Scales kScales, bool kTable>
struct Format {
  static constexpr int bits = kBits;
  static constexpr Scales scales = kScales;
  static constexpr bool table = kTable;
  static constexpr bool is_signed = kBits == 8 || kTable;
  static constexpr bool has_min = kScales == Scales::kF16Min || kScales == Scales::kSuper6Min;
  static constexpr uint32_t groups = kScales == Scales::kF16 || kScales == Scales::kF16Min ? 2 : 8;  // in a block
  static constexpr uint32_t head = kScales == Scales::kF16      ? 64
                                   : kScales == Scales::kF16Min ? 128
                                   : kScales == Scales::kSuper8 ? 320
                                                                : 256;  // bytes before the codes
  static constexpr uint32_t low_bytes = groups * (kBits == 8 ? 512 : 256);
  static constexpr uint32_t high_bytes = groups * (kBits == 5 ? 64 : kBits == 6 ? 128 : 0);
  static constexpr uint32_t block_bytes = head + low_bytes + high_bytes;
};

// The 6-bit number of sub-block s in each lane.
inline F super6(const uint8_t* low, const uint8_t* high, uint32_t s) {
  I l = i_load_u8(low + (s & 3) * 16), h = i_load_u8(high + (s & 1) * 16);
  l = s < 4 ? i_and(l, 15) : i_shr<4>(l);
  switch (s >> 1) {
    case 0:
      h = i_and(h, 3);
      break;
    case 1:
      h = i_and(i_shr<2>(h), 3);
      break;
    case 2:
      h = i_and(i_shr<4>(h), 3);
      break;
    default:
      h = i_shr<6>(h);
      break;
  }
  return f_from_int(i_or(l, i_shl<4>(h)));
}

// The first scale and the minimum of group g of the block (Super8's other scale: see dot_columns).
template <class T>
inline void group_scales(const uint8_t* block, uint32_t g, const F& d, const F& dmin, F* scale, F* min) {
  if constexpr (T::scales == Scales::kF16) {
    *scale = f_from_half(block + 32 * g);
  } else if constexpr (T::scales == Scales::kF16Min) {
    *scale = f_from_half(block + 32 * g);
    *min = f_from_half(block + 64 + 32 * g);
  } else if constexpr (T::scales == Scales::kSuper6Min) {
    *scale = f_mul(d, super6(block + 64, block + 192, g));
    *min = f_mul(dmin, super6(block + 128, block + 224, g));
  } else {
    *scale = f_mul(d, f_from_int(i_load_i8(block + 64 + 32 * g)));
  }
}

// dots[j] = Σ (code - zero) · q over N lines for kStep columns; `sums` begins with the first one's sums of 16 inputs.
template <class T, int N, int kStep>
inline void dot_lines(int32_t zero, const int32_t* sums, const B* w, const int8_t* q, I* dots) {
  int32_t init[kStep];
  for (int j = 0; j < kStep; ++j) init[j] = -zero * (N == 8 ? sums[2 * j] + sums[2 * j + 1] : sums[2 * j]);
  if constexpr (kStep == 2)
    dot_pair<N>(init, w, q, dots);
  else if constexpr (T::is_signed)
    dots[0] = dot_signed<N>(i_set(init[0]), w, q);
  else
    dots[0] = dot_unsigned<T::bits, N>(i_set(init[0]), w, q);
}

// NC columns from column c0 of the panel.
template <class T, int NC>
inline void dot_columns(const Strip& s, const Panel& p, uint32_t c0, float* out) {
  constexpr int kStep = kColumnPairs && NC % 2 == 0 ? 2 : 1;
  const int32_t zero = T::is_signed ? kSignedZero : s.zero_point;
  F acc[NC], min_acc[NC];
  for (int c = 0; c < NC; ++c) acc[c] = f_zero(), min_acc[c] = f_zero();
  for (uint32_t b = s.begin; b < s.end; ++b) {
    const uint8_t* block = s.data + size_t(b) * T::block_bytes;
    const uint8_t* low = block + T::head;
    F d = f_zero(), dmin = f_zero();
    if constexpr (T::groups == 8) d = f_from_half(block);
    if constexpr (T::scales == Scales::kSuper6Min) dmin = f_from_half(block + 32);
    for (uint32_t g = 0; g < T::groups; ++g) {
      B w[8];
      unpack<T::bits>(low, low + T::low_bytes, g, w);
      if constexpr (T::table)
        for (int i = 0; i < 8; ++i) w[i] = as_signed(b_lookup(s.table, w[i]));
      if constexpr (kStep == 2) pair_lines(w);
      F scale, scale2 = f_zero(), min = f_zero();
      group_scales<T>(block, g, d, dmin, &scale, &min);
      if constexpr (T::scales == Scales::kSuper8) scale2 = f_mul(d, f_from_int(i_load_i8(block + 64 + 32 * g + 16)));
      const size_t at = size_t(b * T::groups + g) * p.width + c0;
      const int8_t* q = p.q + at * 32;
      for (int c = 0; c < NC; c += kStep) {
        const int32_t* sums = p.sum16 + 2 * (at + size_t(c));
        I first[kStep], second[kStep];
        if constexpr (T::scales == Scales::kSuper8) {
          dot_lines<T, 4, kStep>(zero, sums, w, q + 32 * c, first);
          dot_lines<T, 4, kStep>(zero, sums + 1, w + 4, q + 32 * c + 16, second);
        } else {
          dot_lines<T, 8, kStep>(zero, sums, w, q + 32 * c, first);
        }
        for (int k = c; k < c + kStep; ++k) {
          const F a = f_set(p.scale[at + size_t(k)]);
          acc[k] = f_fma(f_from_int(first[k - c]), f_mul(scale, a), acc[k]);
          if constexpr (T::scales == Scales::kSuper8)
            acc[k] = f_fma(f_from_int(second[k - c]), f_mul(scale2, a), acc[k]);
          if constexpr (T::has_min) min_acc[k] = f_fma(min, f_set(p.scaled_sum[at + size_t(k)]), min_acc[k]);
        }
      }
    }
  }
  for (int c = 0; c < NC; ++c) {
    F r = acc[c];
    if constexpr (T::scales == Scales::kF16Min) r = f_add(r, min_acc[c]);
    if constexpr (T::scales == Scales::kSuper6Min) r = f_sub(r, min_acc[c]);
    f_store(out + 16 * (c0 + uint32_t(c)), r);
  }
}

template <class T>
void dot_int8(const Strip& s, const Panel& p, float* out) {
  constexpr int kMax = T::has_min ? kMaxColumnsMin : kMaxColumns;
  uint32_t c = 0;
  for (; c + kMax <= p.width; c += kMax) dot_columns<T, kMax>(s, p, c, out);
  if constexpr (kMax > 8)
    for (; c + 8 <= p.width; c += 8) dot_columns<T, 8>(s, p, c, out);
  if constexpr (kMax > 4)
    for (; c + 4 <= p.width; c += 4) dot_columns<T, 4>(s, p, c, out);
  if constexpr (kMax > 2)
    for (; c + 2 <= p.width; c += 2) dot_columns<T, 2>(s, p, c, out);
  for (; c < p.width; ++c) dot_columns<T, 1>(s, p, c, out);
}

// ---- float weights ----------------------------------------------------------------------------------------------

struct FloatWeight {
  static constexpr size_t bytes = 64;
  static F load(const uint8_t* p) { return f_load(reinterpret_cast<const float*>(p)); }
};
struct HalfWeight {
  static constexpr size_t bytes = 32;
  static F load(const uint8_t* p) { return f_from_half(p); }
};
struct BFloatWeight {
  static constexpr size_t bytes = 32;
  static F load(const uint8_t* p) { return f_from_bfloat(p); }
};

template <class W, int NC>
inline void dot_float_columns(const Strip& s, const Panel& p, uint32_t c0, float* out) {
  F acc[NC][4];
  for (int c = 0; c < NC; ++c)
    for (int i = 0; i < 4; ++i) acc[c][i] = f_zero();
  const float* x = p.x + size_t(c0) * p.stride;
  uint32_t k = s.begin;
  // k begins at a multiple of 4, so the partial is k mod 4 all along.
  for (; k + 4 <= s.end; k += 4)
    for (uint32_t i = 0; i < 4; ++i) {
      const F w = W::load(s.data + (k + i) * W::bytes);
      for (int c = 0; c < NC; ++c) acc[c][i] = f_fma(w, f_set(x[size_t(c) * p.stride + k + i]), acc[c][i]);
    }
  for (uint32_t i = 0; i < 4; ++i) {
    if (k + i >= s.end) break;
    const F w = W::load(s.data + (k + i) * W::bytes);
    for (int c = 0; c < NC; ++c) acc[c][i] = f_fma(w, f_set(x[size_t(c) * p.stride + k + i]), acc[c][i]);
  }
  for (int c = 0; c < NC; ++c)
    f_store(out + 16 * (c0 + uint32_t(c)), f_add(f_add(acc[c][0], acc[c][1]), f_add(acc[c][2], acc[c][3])));
}

template <class W>
void dot_float(const Strip& s, const Panel& p, float* out) {
  constexpr int kMax = kMaxColumns > 4 ? 4 : 2;
  uint32_t c = 0;
  for (; c + kMax <= p.width; c += kMax) dot_float_columns<W, kMax>(s, p, c, out);
  for (; c < p.width; ++c) dot_float_columns<W, 1>(s, p, c, out);
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
