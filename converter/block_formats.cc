// SPDX-License-Identifier: Apache-2.0
// Byte layouts of the GGUF blocks (all numbers little-endian, nib = nibble of qs, low ones first):
//   Q4_0  d qs[16]                w = d (nib - 8)          Q4_1  d m qs[16]          w = d nib + m
//   Q5_0  d qh[4] qs[16]          w = d (code - 16)        Q5_1  d m qh[4] qs[16]    w = d code + m
//   Q8_0  d qs[32]                w = d q                  IQ4_NL as Q4_0 with a table in place of nib - 8
//   Q4_K  d dmin sc[12] qs[128]   w = d sc code - dmin mn  Q5_K  d dmin sc[12] qh[32] qs[128]
//   Q6_K  ql[128] qh[64] sc[16] d w = d sc (code - 32)
#include "converter/block_formats.h"

#include <cstring>

namespace sluice {

namespace {

uint16_t half_at(const uint8_t* p) { return uint16_t(p[0] | p[1] << 8); }

// 32 codes of 4 bits: input i < 16 is the low nibble of byte i, input i >= 16 the high nibble of byte i - 16.
void nibbles_32(const uint8_t* qs, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = qs[i] & 15;
    codes[i + 16] = qs[i] >> 4;
  }
}

// Bit i of qh is bit 4 of code i.
void fifth_bits_32(const uint8_t* qh, uint8_t* codes) {
  for (int i = 0; i < 32; ++i) codes[i] = uint8_t(codes[i] | ((qh[i / 8] >> (i % 8)) & 1) << 4);
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
    for (int i = 0; i < 32; ++i) {
      codes[64 * run + i] = qs[32 * run + i] & 15;
      codes[64 * run + 32 + i] = qs[32 * run + i] >> 4;
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
    for (int i = 0; i < 32; ++i) out.codes[32 * j + i] = uint8_t(out.codes[32 * j + i] | ((qh[i] >> j) & 1) << 4);
  }
}

void unpack_q6_k(const uint8_t* block, uint32_t, CodeBlock& out) {
  out.d[0] = half_at(block + 208);
  memcpy(out.scale, block + 192, 16);
  for (int half = 0; half < 2; ++half) {
    const uint8_t* low = block + 64 * half;
    const uint8_t* high = block + 128 + 32 * half;
    uint8_t* codes = out.codes + 128 * half;
    for (int i = 0; i < 32; ++i) {
      codes[i] = uint8_t((low[i] & 15) | (high[i] & 3) << 4);
      codes[i + 32] = uint8_t((low[i + 32] & 15) | ((high[i] >> 2) & 3) << 4);
      codes[i + 64] = uint8_t((low[i] >> 4) | ((high[i] >> 4) & 3) << 4);
      codes[i + 96] = uint8_t((low[i + 32] >> 4) | (high[i] >> 6) << 4);
    }
  }
}

// IQ4_NL differs from Q4_0 only in what the code means, which the native format says.
constexpr BlockFormat kBlockFormats[] = {
    {0, "F32", 1, 4, "f32", nullptr},
    {1, "F16", 1, 2, "f16", nullptr},
    {kBf16Type, "BF16", 1, 2, "bf16", nullptr},
    {2, "Q4_0", 32, 18, "q4_0", unpack_q4_0},
    {3, "Q4_1", 32, 20, "q4_1", unpack_q4_1},
    {6, "Q5_0", 32, 22, "q5_0", unpack_q5_0},
    {7, "Q5_1", 32, 24, "q5_1", unpack_q5_1},
    {8, "Q8_0", 32, 34, "q8_0", unpack_q8_0},
    {12, "Q4_K", 256, 144, "q4_k", unpack_q4_k},
    {13, "Q5_K", 256, 176, "q5_k", unpack_q5_k},
    {14, "Q6_K", 256, 210, "q6_k", unpack_q6_k},
    {20, "IQ4_NL", 32, 18, "iq4_nl", unpack_q4_0},
    {9, "Q8_1", 32, 36, nullptr, nullptr},
    {10, "Q2_K", 256, 84, nullptr, nullptr},
    {11, "Q3_K", 256, 110, nullptr, nullptr},
    {15, "Q8_K", 256, 292, nullptr, nullptr},
    {16, "IQ2_XXS", 256, 66, nullptr, nullptr},
    {17, "IQ2_XS", 256, 74, nullptr, nullptr},
    {18, "IQ3_XXS", 256, 98, nullptr, nullptr},
    {19, "IQ1_S", 256, 50, nullptr, nullptr},
    {21, "IQ3_S", 256, 110, nullptr, nullptr},
    {22, "IQ2_S", 256, 82, nullptr, nullptr},
    {23, "IQ4_XS", 256, 136, nullptr, nullptr},
    {24, "I8", 1, 1, nullptr, nullptr},
    {25, "I16", 1, 2, nullptr, nullptr},
    {26, "I32", 1, 4, nullptr, nullptr},
    {27, "I64", 1, 8, nullptr, nullptr},
    {28, "F64", 1, 8, nullptr, nullptr},
    {29, "IQ1_M", 256, 56, nullptr, nullptr},
    {34, "TQ1_0", 256, 54, nullptr, nullptr},
    {35, "TQ2_0", 256, 66, nullptr, nullptr},
    {39, "MXFP4", 32, 17, nullptr, nullptr},
    {40, "NVFP4", 64, 36, nullptr, nullptr},
    {41, "Q1_0", 128, 18, nullptr, nullptr},
};

}  // namespace

const BlockFormat* find_block_format(uint32_t type) {
  for (const BlockFormat& format : kBlockFormats) {
    if (format.type == type) return &format;
  }
  return nullptr;
}

}  // namespace sluice
