// SPDX-License-Identifier: Apache-2.0
// Byte layouts of the GGUF blocks (all numbers little-endian, nib = nibble of qs, low ones first):
//   Q4_0  d qs[16]                w = d (nib - 8)          Q4_1  d m qs[16]          w = d nib + m
//   Q5_0  d qh[4] qs[16]          w = d (code - 16)        Q5_1  d m qh[4] qs[16]    w = d code + m
//   Q8_0  d qs[32]                w = d q                  IQ4_NL as Q4_0 with a table in place of nib - 8
//   Q4_K  d dmin sc[12] qs[128]   w = d sc code - dmin mn  Q5_K  d dmin sc[12] qh[32] qs[128]
//   Q6_K  ql[128] qh[64] sc[16] d w = d sc (code - 32)
//   Q2_K  sc[16] qs[64] d dmin    w = d lo(sc) code - dmin hi(sc)
//   Q3_K  hmask[32] qs[64] sc[12] d    w = d (sc - 32) (code - 4)
//   IQ4_XS d sh[2] sl[4] qs[128]  w = d (sc - 32) table[nib]
//   MXFP4 e qs[16]                w = 2^(e - 128) fp4[nib] NVFP4 s[4] qs[32]         w = ue4m3(s) / 2 fp4[nib]
//   TQ1_0 qs[48] qh[4] d, TQ2_0 qs[64] d, Q2_0 d qs[16]    w = d (code - 1)
//   Q1_0  d qs[16]                w = d or -d              Q8_1  d s qs[32], Q8_K  f32 d qs[256] sums[32]  w = d q
#include "converter/block_formats.h"

#include <cstring>

#include "base/check.h"
#include "base/half.h"

namespace sluice {

namespace {

uint16_t half_at(const uint8_t* p) { return uint16_t(p[0] | p[1] << 8); }

// Eight bytes at a time: each is its own number, shifted by less than what the mask leaves.
constexpr uint64_t kBytes = 0x0101010101010101u;  // times a byte: eight of it

uint64_t eight_at(const uint8_t* p) {
  uint64_t eight;
  memcpy(&eight, p, sizeof eight);
  return eight;
}
void put_eight(uint8_t* p, uint64_t eight) { memcpy(p, &eight, sizeof eight); }

// 32 codes of 4 bits: input i < 16 is the low nibble of byte i, input i >= 16 the high nibble of byte i - 16.
void nibbles_32(const uint8_t* qs, uint8_t* codes) {
  for (int i = 0; i < 16; i += 8) {
    const uint64_t q = eight_at(qs + i);
    put_eight(codes + i, q & kBytes * 15);
    put_eight(codes + i + 16, q >> 4 & kBytes * 15);
  }
}

// Bit i of qh is bit 4 of code i.
void fifth_bits_32(const uint8_t* qh, uint8_t* codes) {
  for (int i = 0; i < 4; ++i) {
    const uint64_t own_bit = qh[i] * kBytes & 0x8040201008040201u;  // byte k keeps bit k
    const uint64_t set = (own_bit + kBytes * 127) >> 7 & kBytes;
    put_eight(codes + 8 * i, eight_at(codes + 8 * i) | set << 4);
  }
}

// The eight 6-bit scales and minima of Q4_K and Q5_K in 12 bytes.
void scales_and_minima(const uint8_t* s, CodeBlock& out) {
  for (int j = 0; j < 4; ++j) {
    out.scale[j] = s[j] & 63;
    out.minimum[j] = s[j + 4] & 63;
    out.scale[j + 4] = uint8_t((s[j + 8] & 15) | (s[j] >> 6) << 4);
    out.minimum[j + 4] = uint8_t((s[j + 8] >> 4) | (s[j + 4] >> 6) << 4);
  }
}

// Four runs of 64 codes: 32 low nibbles, then the 32 high nibbles of the same bytes.
void nibbles_256(const uint8_t* qs, uint8_t* codes) {
  for (int run = 0; run < 4; ++run) {
    for (int i = 0; i < 32; i += 8) {
      const uint64_t q = eight_at(qs + 32 * run + i);
      put_eight(codes + 64 * run + i, q & kBytes * 15);
      put_eight(codes + 64 * run + 32 + i, q >> 4 & kBytes * 15);
    }
  }
}

void unpack_q4_0(const uint8_t* block, uint32_t part, CodeBlock& out) {
  out.d[part] = half_at(block);
  nibbles_32(block + 2, out.codes + 32 * part);
}

void unpack_q4_1(const uint8_t* block, uint32_t part, CodeBlock& out) {
  out.d[part] = half_at(block);
  out.m[part] = half_at(block + 2);
  nibbles_32(block + 4, out.codes + 32 * part);
}

void unpack_q5_0(const uint8_t* block, uint32_t part, CodeBlock& out) {
  out.d[part] = half_at(block);
  nibbles_32(block + 6, out.codes + 32 * part);
  fifth_bits_32(block + 2, out.codes + 32 * part);
}

void unpack_q5_1(const uint8_t* block, uint32_t part, CodeBlock& out) {
  out.d[part] = half_at(block);
  out.m[part] = half_at(block + 2);
  nibbles_32(block + 8, out.codes + 32 * part);
  fifth_bits_32(block + 4, out.codes + 32 * part);
}

void unpack_q8_0(const uint8_t* block, uint32_t part, CodeBlock& out) {
  out.d[part] = half_at(block);
  memcpy(out.codes + 32 * part, block + 2, 32);
}

void unpack_q4_k(const uint8_t* block, uint32_t, CodeBlock& out) {
  out.d[0] = half_at(block);
  out.m[0] = half_at(block + 2);
  scales_and_minima(block + 4, out);
  nibbles_256(block + 16, out.codes);
}

void unpack_q5_k(const uint8_t* block, uint32_t, CodeBlock& out) {
  out.d[0] = half_at(block);
  out.m[0] = half_at(block + 2);
  scales_and_minima(block + 4, out);
  nibbles_256(block + 48, out.codes);
  const uint8_t* qh = block + 16;
  for (int j = 0; j < 8; ++j) {
    for (int i = 0; i < 32; i += 8) {
      uint8_t* codes = out.codes + 32 * j + i;
      put_eight(codes, eight_at(codes) | (eight_at(qh + i) >> j & kBytes) << 4);
    }
  }
}

void unpack_q6_k(const uint8_t* block, uint32_t, CodeBlock& out) {
  out.d[0] = half_at(block + 208);
  memcpy(out.scale, block + 192, 16);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = block + 64 * half;
    const uint8_t* high = block + 128 + 32 * half;
    uint8_t* codes = out.codes + 128 * half;
    for (int i = 0; i < 32; i += 8) {
      const uint64_t a = eight_at(low + i), b = eight_at(low + i + 32), h = eight_at(high + i);
      put_eight(codes + i, (a & kBytes * 15) | (h & kBytes * 3) << 4);
      put_eight(codes + i + 32, (b & kBytes * 15) | (h >> 2 & kBytes * 3) << 4);
      put_eight(codes + i + 64, (a >> 4 & kBytes * 15) | (h >> 4 & kBytes * 3) << 4);
      put_eight(codes + i + 96, (b >> 4 & kBytes * 15) | (h >> 6 & kBytes * 3) << 4);
    }
  }
}

// Two runs of 128 codes: four times 32 pairs of bits of the same 32 bytes.
void pairs_256(const uint8_t* qs, uint8_t* codes) {
  for (int run = 0; run < 8; ++run) {
    for (int i = 0; i < 32; i += 8) {
      put_eight(codes + 32 * run + i, eight_at(qs + run / 4 * 32 + i) >> (2 * (run % 4)) & kBytes * 3);
    }
  }
}

void unpack_q2_k(const uint8_t* block, uint32_t, CodeBlock& out) {
  out.d[0] = half_at(block + 80);
  out.m[0] = half_at(block + 82);
  for (int s = 0; s < 16; ++s) out.scale[s] = block[s] & 15, out.minimum[s] = block[s] >> 4;
  pairs_256(block + 16, out.codes);
}

void unpack_q3_k(const uint8_t* block, uint32_t, CodeBlock& out) {
  out.d[0] = half_at(block + 108);
  const uint8_t* s = block + 96;
  for (int j = 0; j < 16; ++j) {
    out.scale[j] = uint8_t((s[j % 8] >> (j / 8 * 4) & 15) | (s[8 + j % 4] >> (j / 4 * 2) & 3) << 4);
  }
  pairs_256(block + 32, out.codes);
  for (int j = 0; j < 8; ++j) {
    for (int i = 0; i < 32; ++i) out.codes[32 * j + i] = uint8_t(out.codes[32 * j + i] | ((block[i] >> j) & 1) << 2);
  }
}

void unpack_iq4_xs(const uint8_t* block, uint32_t, CodeBlock& out) {
  out.d[0] = half_at(block);
  const uint16_t high = half_at(block + 2);
  for (int s = 0; s < 8; ++s) {
    out.scale[s] = uint8_t((block[4 + s / 2] >> (s % 2 * 4) & 15) | (high >> (2 * s) & 3) << 4);
    nibbles_32(block + 8 + 16 * s, out.codes + 32 * s);
  }
}

void unpack_mxfp4(const uint8_t* block, uint32_t part, CodeBlock& out) {
  out.d[part] = block[0];
  nibbles_32(block + 1, out.codes + 32 * part);
}

// Half of an unsigned number of 4 exponent and 3 fraction bits: at least 2^-10 and at most 240, so float16 has it.
// 0x7f stands for nothing and counts as 0; the top bit is not looked at otherwise.
uint16_t half_ue4m3(uint8_t x) {
  const int exponent = x >> 3 & 15, fraction = x & 7;
  if (x == 0 || x == 0x7f) return 0;
  const float value = exponent == 0 ? float(fraction) * 0x1p-10f
                                    : float(8 + fraction) * 0x1p-18f * float(1 << (exponent + 7));  // 2^(exponent - 11)
  return f32_to_f16(value);
}

void unpack_nvfp4(const uint8_t* block, uint32_t, CodeBlock& out) {
  for (int s = 0; s < 4; ++s) {
    out.d[s] = half_ue4m3(block[s]);
    for (int i = 0; i < 8; ++i) {
      out.codes[16 * s + i] = block[4 + 8 * s + i] & 15;
      out.codes[16 * s + 8 + i] = block[4 + 8 * s + i] >> 4;
    }
  }
}

// One scale for all groups of a long block.
void spread(uint16_t d, int n, CodeBlock& out) {
  for (int g = 0; g < n; ++g) out.d[g] = d;
}

// A byte holds five digits of base 3, as a fraction of 256 rounded up: the digit is the integer part after times 3.
void unpack_tq1_0(const uint8_t* block, uint32_t, CodeBlock& out) {
  spread(half_at(block + 52), 8, out);
  static constexpr uint8_t kPowers[5] = {1, 3, 9, 27, 81};
  const auto digit = [](uint8_t byte, int n) { return uint8_t(uint8_t(byte * kPowers[n]) * 3 >> 8); };
  uint8_t* codes = out.codes;
  for (int n = 0; n < 5; ++n) {
    for (int i = 0; i < 32; ++i) *codes++ = digit(block[i], n);
  }
  for (int n = 0; n < 5; ++n) {
    for (int i = 32; i < 48; ++i) *codes++ = digit(block[i], n);
  }
  for (int n = 0; n < 4; ++n) {
    for (int i = 48; i < 52; ++i) *codes++ = digit(block[i], n);
  }
}

void unpack_tq2_0(const uint8_t* block, uint32_t, CodeBlock& out) {
  spread(half_at(block + 64), 8, out);
  pairs_256(block, out.codes);
}

void unpack_q1_0(const uint8_t* block, uint32_t, CodeBlock& out) {
  spread(half_at(block), 4, out);
  for (int i = 0; i < 128; ++i) out.codes[i] = block[2 + i / 8] >> (i % 8) & 1 ? 2 : 0;
}

void unpack_q2_0(const uint8_t* block, uint32_t, CodeBlock& out) {
  spread(half_at(block), 2, out);
  for (int i = 0; i < 64; ++i) out.codes[i] = block[2 + i / 4] >> (i % 4 * 2) & 3;
}

void unpack_q8_1(const uint8_t* block, uint32_t part, CodeBlock& out) {
  out.d[part] = half_at(block);
  memcpy(out.codes + 32 * part, block + 4, 32);
}

void unpack_q8_k(const uint8_t* block, uint32_t, CodeBlock& out) {
  float d;
  memcpy(&d, block, 4);
  spread(f32_to_f16(d), 8, out);
  memcpy(out.codes, block + 4, 256);
}

constexpr const char* kGrid = "its codes are places in a table of codewords, which this program does not have";
constexpr const char* kRounded = "rounded to float32";

// IQ4_NL differs from Q4_0 only in what the code means, which the native format says.
constexpr BlockFormat kBlockFormats[] = {
    {0, "F32", 1, 4, "f32", nullptr},
    {1, "F16", 1, 2, "f16", nullptr},
    {2, "Q4_0", 32, 18, "q4_0", unpack_q4_0},
    {3, "Q4_1", 32, 20, "q4_1", unpack_q4_1},
    {6, "Q5_0", 32, 22, "q5_0", unpack_q5_0},
    {7, "Q5_1", 32, 24, "q5_1", unpack_q5_1},
    {8, "Q8_0", 32, 34, "q8_0", unpack_q8_0},
    {9, "Q8_1", 32, 36, "q8_0", unpack_q8_1},
    {10, "Q2_K", 256, 84, "q2_k", unpack_q2_k},
    {11, "Q3_K", 256, 110, "q3_k", unpack_q3_k},
    {12, "Q4_K", 256, 144, "q4_k", unpack_q4_k},
    {13, "Q5_K", 256, 176, "q5_k", unpack_q5_k},
    {14, "Q6_K", 256, 210, "q6_k", unpack_q6_k},
    {15, "Q8_K", 256, 292, "q8_0", unpack_q8_k, "its scales rounded to float16"},
    {16, "IQ2_XXS", 256, 66, nullptr, nullptr, kGrid},
    {17, "IQ2_XS", 256, 74, nullptr, nullptr, kGrid},
    {18, "IQ3_XXS", 256, 98, nullptr, nullptr, kGrid},
    {19, "IQ1_S", 256, 50, nullptr, nullptr, kGrid},
    {20, "IQ4_NL", 32, 18, "iq4_nl", unpack_q4_0},
    {21, "IQ3_S", 256, 110, nullptr, nullptr, kGrid},
    {22, "IQ2_S", 256, 82, nullptr, nullptr, kGrid},
    {23, "IQ4_XS", 256, 136, "iq4_xs", unpack_iq4_xs},
    {24, "I8", 1, 1, "f32", nullptr},
    {25, "I16", 1, 2, "f32", nullptr},
    {26, "I32", 1, 4, "f32", nullptr, kRounded},
    {27, "I64", 1, 8, "f32", nullptr, kRounded},
    {28, "F64", 1, 8, "f32", nullptr, kRounded},
    {29, "IQ1_M", 256, 56, nullptr, nullptr, kGrid},
    {30, "BF16", 1, 2, "bf16", nullptr},
    {34, "TQ1_0", 256, 54, "q2_0", unpack_tq1_0},
    {35, "TQ2_0", 256, 66, "q2_0", unpack_tq2_0},
    {39, "MXFP4", 32, 17, "mxfp4", unpack_mxfp4},
    {40, "NVFP4", 64, 36, "nvfp4", unpack_nvfp4},
    {41, "Q1_0", 128, 18, "q2_0", unpack_q1_0},
    {42, "Q2_0", 64, 18, "q2_0", unpack_q2_0},
};

template <class T, class Convert>
void widen(const uint8_t* from, uint32_t n, float* to, Convert convert) {
  for (uint32_t i = 0; i < n; ++i) {
    T value;
    memcpy(&value, from + sizeof value * size_t(i), sizeof value);
    to[i] = convert(value);
  }
}

}  // namespace

const BlockFormat* find_block_format(uint32_t type) {
  for (const BlockFormat& format : kBlockFormats) {
    if (format.type == type) return &format;
  }
  return nullptr;
}

bool is_native_number(const BlockFormat& source) { return source.type == 0 || source.type == 1 || source.type == 30; }

void widen_numbers(const BlockFormat& source, const uint8_t* from, uint32_t n, float* to) {
  const auto cast = [](auto x) { return float(x); };
  switch (source.type) {
    case 0:
      return void(memcpy(to, from, size_t(n) * 4));
    case 1:
      return widen<uint16_t>(from, n, to, f16_to_f32);
    case 24:
      return widen<int8_t>(from, n, to, cast);
    case 25:
      return widen<int16_t>(from, n, to, cast);
    case 26:
      return widen<int32_t>(from, n, to, cast);
    case 27:
      return widen<int64_t>(from, n, to, cast);
    case 28:
      return widen<double>(from, n, to, cast);
    case 30:
      return widen<uint16_t>(from, n, to, bf16_to_f32);
    default:
      SLUICE_CHECK(!"a format of codes");
  }
}

namespace {

// All bits of the exponent are set.
template <class T>
uint32_t count_full_exponents(const uint8_t* from, uint32_t n, T exponent) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < n; ++i) {
    T value;
    memcpy(&value, from + sizeof value * size_t(i), sizeof value);
    count += (value & exponent) == exponent;
  }
  return count;
}

}  // namespace

uint32_t count_not_finite(const BlockFormat& source, const uint8_t* from, uint32_t n) {
  SLUICE_CHECK(is_native_number(source));
  if (source.type == 0) return count_full_exponents<uint32_t>(from, n, 0x7f800000u);
  return count_full_exponents<uint16_t>(from, n, source.type == 1 ? 0x7c00 : 0x7f80);
}

}  // namespace sluice
