// SPDX-License-Identifier: Apache-2.0
// One strip (16 rows) times up to 16 activation rows, for every weight format. Lane = row of the strip, so nothing is
// ever summed across lanes; a group of 32 inputs is unpacked once into 8 lines and used for all columns.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

// ---- codes ------------------------------------------------------------------------------------------------------

// Bit N of each byte of a line, as bit To.
template <int N, int To>
inline B bit(const B& line) {
  if constexpr (N < To)
    return b_and(b_shl<To - N>(line), 1 << To);
  else if constexpr (N == To)
    return b_and(line, 1 << To);
  else
    return b_and(b_shr<N - To>(line), 1 << To);
}

// Bits 2 N, 2 N + 1 of each byte, as bits To, To + 1.
template <int N, int To>
inline B two_bits(const B& line) {
  if constexpr (2 * N < To)
    return b_and(b_shl<To - 2 * N>(line), 3 << To);
  else if constexpr (2 * N == To)
    return b_and(line, 3 << To);
  else
    return b_and(b_shr<2 * N - To>(line), 3 << To);
}

// One line of single bits: bit i belongs to line i of the group.
template <int To>
inline void or_bits(const uint8_t* from, B w[8]) {
  const B h = b_load(from);
  w[0] = b_or(w[0], bit<0, To>(h)), w[1] = b_or(w[1], bit<1, To>(h));
  w[2] = b_or(w[2], bit<2, To>(h)), w[3] = b_or(w[3], bit<3, To>(h));
  w[4] = b_or(w[4], bit<4, To>(h)), w[5] = b_or(w[5], bit<5, To>(h));
  w[6] = b_or(w[6], bit<6, To>(h)), w[7] = b_or(w[7], bit<7, To>(h));
}

// Two lines of bit pairs: pair i of the first belongs to line i, of the second to line 4 + i.
template <int To>
inline void or_pairs(const uint8_t* from, B w[8]) {
  for (int h = 0; h < 2; ++h) {
    const B line = b_load(from + h * 64);
    B* v = w + 4 * h;
    v[0] = b_or(v[0], two_bits<0, To>(line)), v[1] = b_or(v[1], two_bits<1, To>(line));
    v[2] = b_or(v[2], two_bits<2, To>(line)), v[3] = b_or(v[3], two_bits<3, To>(line));
  }
}

// The 8 lines of group `g`; `low` holds the nibbles, pairs or int8 codes of the block, `high` the further bits.
template <int Bits>
inline void unpack(const uint8_t* low, const uint8_t* high, uint32_t g, B w[8]) {
  if constexpr (Bits == 8) {
    for (int i = 0; i < 8; ++i) w[i] = as_signed(b_load(low + (8 * g + uint32_t(i)) * 64));
  } else if constexpr (Bits < 4) {
    for (int i = 0; i < 8; ++i) w[i] = b_zero();
    or_pairs<0>(low + 2 * g * 64, w);
    if constexpr (Bits == 3) or_bits<2>(high + g * 64, w);
  } else {
    for (int i = 0; i < 4; ++i) {
      const B line = b_load(low + (4 * g + uint32_t(i)) * 64);
      w[i] = b_and(line, 15);
      w[4 + i] = b_and(b_shr<4>(line), 15);
    }
    if constexpr (Bits == 5) or_bits<4>(high + g * 64, w);
    if constexpr (Bits == 6) or_pairs<4>(high + 2 * g * 64, w);
  }
}

// ---- integer formats --------------------------------------------------------------------------------------------

// The scale kinds of FORMAT.md; "By16": with a scale for each half of a group of 32.
enum class Scales { kF16, kF16By16, kF16Min, kE8M0, kSuper6Min, kSuper4Min, kSuper6, kSuper6By16, kSuper8 };

// Groups of 32 inputs in a block, and the bytes of a block before its codes.
constexpr uint32_t groups_of(Scales s) {
  if (s == Scales::kE8M0) return 4;
  return s == Scales::kF16 || s == Scales::kF16By16 || s == Scales::kF16Min ? 2 : 8;
}

constexpr uint32_t head_of(Scales s) {
  switch (s) {
    case Scales::kF16:
    case Scales::kE8M0:
      return 64;
    case Scales::kF16By16:
    case Scales::kF16Min:
    case Scales::kSuper6:
      return 128;
    case Scales::kSuper6Min:
    case Scales::kSuper6By16:
      return 256;
    default:  // kSuper4Min, kSuper8
      return 320;
  }
}

template <int kBits, Scales kScales, bool kTable>
struct Format {
  static constexpr int bits = kBits;
  static constexpr Scales scales = kScales;
  static constexpr bool table = kTable;
  static constexpr bool is_signed = kBits == 8 || kTable;
  static constexpr bool adds_min = kScales == Scales::kF16Min;
  static constexpr bool subtracts_min = kScales == Scales::kSuper6Min || kScales == Scales::kSuper4Min;
  static constexpr bool has_min = adds_min || subtracts_min;
  static constexpr bool by16 = kScales == Scales::kF16By16 || kScales == Scales::kSuper4Min ||
                               kScales == Scales::kSuper6By16 || kScales == Scales::kSuper8;
  static constexpr uint32_t groups = groups_of(kScales);
  static constexpr uint32_t scale_groups = by16 ? 2 * groups : groups;
  static constexpr bool super = groups == 8;
  static constexpr uint32_t head = head_of(kScales);
  static constexpr uint32_t low_bytes = groups * (kBits == 8 ? 512 : kBits < 4 ? 128 : 256);
  static constexpr uint32_t high_bytes = groups * (kBits == 5 || kBits == 3 ? 64 : kBits == 6 ? 128 : 0);
  static constexpr uint32_t block_bytes = head + low_bytes + high_bytes;
};

// 6-bit number S of N in each lane.
template <uint32_t N, uint32_t S>
inline I six_bits(const uint8_t* low, const uint8_t* high) {
  I l = i_load_u8(low + S % (N / 2) * 16), h = i_load_u8(high + S % (N / 4) * 16);
  if constexpr (S < N / 2)
    l = i_and(l, 15);
  else
    l = i_shr<4>(l);
  constexpr int kShift = 2 * (S / (N / 4));
  if constexpr (kShift > 0) h = i_shr<kShift>(h);
  if constexpr (kShift < 6) h = i_and(h, 3);
  return i_or(l, i_shl<4>(h));
}

// 2^(e - 128) as the product of two normal powers: for e = 0 and 1 that is a denormal number, exactly.
inline F power_of_two(const I& e) {
  const F a = f_bits(i_shl<23>(i_add(i_shr<1>(e), i_set(63))));
  const F b = f_bits(i_shl<23>(i_add(i_shr<1>(i_add(e, i_set(1))), i_set(63))));
  return f_mul(a, b);
}

// Scale and minimum of scale group S of the block; d and dmin are the block's own (Super kinds).
template <class T, uint32_t S>
inline void group_scale(const uint8_t* block, const F& d, const F& dmin, F* scale, F* min) {
  if constexpr (T::scales == Scales::kF16 || T::scales == Scales::kF16By16) {
    *scale = f_from_half(block + 32 * S);
  } else if constexpr (T::scales == Scales::kF16Min) {
    *scale = f_from_half(block + 32 * S);
    *min = f_from_half(block + 64 + 32 * S);
  } else if constexpr (T::scales == Scales::kE8M0) {
    *scale = power_of_two(i_load_u8(block + 16 * S));
  } else if constexpr (T::scales == Scales::kSuper6Min) {
    *scale = f_mul(d, f_from_int(six_bits<8, S>(block + 64, block + 192)));
    *min = f_mul(dmin, f_from_int(six_bits<8, S>(block + 128, block + 224)));
  } else if constexpr (T::scales == Scales::kSuper4Min) {
    const I both = i_load_u8(block + 64 + 16 * S);
    *scale = f_mul(d, f_from_int(i_and(both, 15)));
    *min = f_mul(dmin, f_from_int(i_shr<4>(both)));
  } else if constexpr (T::scales == Scales::kSuper6) {
    *scale = f_mul(d, f_from_int(i_add(six_bits<8, S>(block + 32, block + 96), i_set(-32))));
  } else if constexpr (T::scales == Scales::kSuper6By16) {
    *scale = f_mul(d, f_from_int(i_add(six_bits<16, S>(block + 64, block + 192), i_set(-32))));
  } else {
    *scale = f_mul(d, f_from_int(i_load_i8(block + 64 + 16 * S)));
  }
}

// Scales and minima of the block's scale groups from S on.
template <class T, uint32_t S = 0>
inline void group_scales(const uint8_t* block, const F& d, const F& dmin, F* scale, F* min) {
  if constexpr (S < T::scale_groups) {
    group_scale<T, S>(block, d, dmin, scale + S, T::has_min ? min + S : min);
    group_scales<T, S + 1>(block, d, dmin, scale, min);
  }
}

// dots[j] = init[j * kInitStep] + Σ code · q over N lines for kStep columns.
template <class T, int N, int kStep, int kInitStep>
inline void dot_lines(const int32_t* init, const B* w, const int8_t* q, I* dots) {
  if constexpr (kStep == 2) {
    const int32_t both[2] = {init[0], init[kInitStep]};
    dot_pair<N>(both, w, q, dots);
  } else if constexpr (T::is_signed) {
    dots[0] = dot_signed<N>(i_set(init[0]), w, q);
  } else {
    dots[0] = dot_unsigned<(T::bits < 4 ? 4 : T::bits), N>(i_set(init[0]), w, q);
  }
}

// The minima's part of a block for NC columns: sums[c] += Σ min · (sum of the scaled activations of its group).
template <class T, int NC>
inline void add_minima(const F* min, const Panel& p, size_t at, F* sums) {
  for (int c = 0; c < NC; ++c) {
    F sum = sums[c];
    for (uint32_t g = 0; g < T::groups; ++g) {
      const size_t i = at + g * p.width + size_t(c);
      if constexpr (T::by16) {
        sum = f_fma(min[2 * g], f_set(p.scale[i] * float(p.sum16[2 * i])), sum);
        sum = f_fma(min[2 * g + 1], f_set(p.scale[i] * float(p.sum16[2 * i + 1])), sum);
      } else {
        sum = f_fma(min[g], f_set(p.scaled_sum[i]), sum);
      }
    }
    sums[c] = sum;
  }
}

// The hardware follows a strip that is one stream; where a block's high bits lie apart from its low ones it does not
// (from memory, one Zen 4 core: q6_k 11 GB/s without this, 25 with it; sixteen columns of it
// 76 and 140 GMAC/s), so every group asks for its share of what comes later.
constexpr size_t kPrefetchAhead = 4096;

inline void prefetch(const uint8_t* from, size_t n) {
  for (size_t i = 0; i < n; i += 64) __builtin_prefetch(from + kPrefetchAhead + i, 0, 3);
}

// A loop over columns whose accumulators should stay in registers.
#if defined(__clang__)
#define SLUICE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define SLUICE_UNROLL _Pragma("GCC unroll 16")
#endif

// NC columns from column c0 of the panel.
template <class T, int NC>
inline void dot_columns(const Strip& s, const Panel& p, uint32_t c0, float* out) {
  constexpr int kStep = kColumnPairs && NC % 2 == 0 ? 2 : 1;
  constexpr int kHalves = T::by16 ? 2 : 1;
  const int32_t zero = T::is_signed ? kSignedZero : s.zero_point;
  F acc[NC], min_acc[NC];
  SLUICE_UNROLL
  for (int c = 0; c < NC; ++c) acc[c] = f_zero(), min_acc[c] = f_zero();
  for (uint32_t b = s.begin; b < s.end; ++b) {
    const uint8_t* block = s.data + size_t(b) * T::block_bytes;
    const uint8_t* low = block + T::head;
    F d = f_zero(), dmin = f_zero();
    if constexpr (T::super) d = f_from_half(block);
    if constexpr (T::subtracts_min) dmin = f_from_half(block + 32);
    F scale[T::scale_groups], min[T::has_min ? T::scale_groups : 1];
    group_scales<T>(block, d, dmin, scale, min);
    const size_t at_block = size_t(b) * T::groups * p.width + c0;
    for (uint32_t g = 0; g < T::groups; ++g) {
      prefetch(block + g * (T::block_bytes / T::groups), T::block_bytes / T::groups);
      B w[8];
      unpack<T::bits>(low, low + T::low_bytes, g, w);
      if constexpr (T::table)
        for (int i = 0; i < 8; ++i) w[i] = as_signed(b_lookup(s.table, w[i]));
      if constexpr (kStep == 2) pair_lines(w);
      const size_t at = at_block + g * p.width;
      // The sums begin at -zero · Σ q, so that the codes stay unsigned.
      const int32_t* sums = p.sum16 + 2 * at;
      int32_t init[kHalves * NC];
      for (int i = 0; i < kHalves * NC; ++i) init[i] = -zero * (T::by16 ? sums[i] : sums[2 * i] + sums[2 * i + 1]);
      // Many are computed as vectors and read as broadcasts only when they must be in memory.
      if constexpr (NC >= 8) asm("" : "+m"(init));
      const int8_t* q = p.q + at * 32;
      SLUICE_UNROLL
      for (int c = 0; c < NC; c += kStep) {
        I first[kStep], second[kStep];
        if constexpr (T::by16) {
          dot_lines<T, 4, kStep, 2>(init + 2 * c, w, q + 32 * c, first);
          dot_lines<T, 4, kStep, 2>(init + 2 * c + 1, w + 4, q + 32 * c + 16, second);
        } else {
          dot_lines<T, 8, kStep, 1>(init + c, w, q + 32 * c, first);
        }
        for (int k = c; k < c + kStep; ++k) {
          const F a = f_set(p.scale[at + size_t(k)]);
          acc[k] = f_fma(f_from_int(first[k - c]), f_mul(scale[kHalves * g], a), acc[k]);
          if constexpr (T::by16) acc[k] = f_fma(f_from_int(second[k - c]), f_mul(scale[2 * g + 1], a), acc[k]);
        }
      }
    }
    if constexpr (T::has_min) add_minima<T, NC>(min, p, at_block, min_acc);
  }
  SLUICE_UNROLL
  for (int c = 0; c < NC; ++c) {
    F r = acc[c];
    if constexpr (T::adds_min) r = f_add(r, min_acc[c]);
    if constexpr (T::subtracts_min) r = f_sub(r, min_acc[c]);
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
