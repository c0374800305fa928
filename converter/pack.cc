// SPDX-License-Identifier: Apache-2.0
// Every block is taken apart into plain codes and scales (16 rows side by side), then its sections are written line by
// line: a line is one 32-bit word of four codes per lane, so all shifting is done on four codes at once.
#include "converter/pack.h"

#include <cstring>

#include "base/check.h"
#include "base/half.h"

namespace sluice {

namespace {

uint32_t word_at(const uint8_t* p) {
  uint32_t word;
  memcpy(&word, p, 4);
  return word;
}

template <uint32_t L>
struct Lanes {
  CodeBlock row[L];

  // Line `line` of a section: four codes of each lane, made by fn(codes of the lane).
  template <class F>
  void line(std::byte* section, uint32_t line, F fn) const {
    std::byte* out = section + line * 4 * L;
    for (uint32_t r = 0; r < L; ++r) {
      const uint32_t word = fn(row[r].codes);
      memcpy(out + 4 * r, &word, 4);
    }
  }

  void put_low_nibbles(std::byte* section, uint32_t groups) const {
    for (uint32_t g = 0; g < groups; ++g) {
      for (uint32_t i = 0; i < 4; ++i) {
        line(section, 4 * g + i, [=](const uint8_t* codes) {
          const uint8_t* c = codes + 32 * g + 4 * i;
          return (word_at(c) & 0x0f0f0f0fu) | (word_at(c + 16) & 0x0f0f0f0fu) << 4;
        });
      }
    }
  }

  void put_bit_four(std::byte* section, uint32_t groups) const {
    for (uint32_t g = 0; g < groups; ++g) {
      line(section, g, [=](const uint8_t* codes) {
        uint32_t word = 0;
        for (uint32_t i = 0; i < 8; ++i) word |= (word_at(codes + 32 * g + 4 * i) >> 4 & 0x01010101u) << i;
        return word;
      });
    }
  }

  void put_bits_four_five(std::byte* section, uint32_t groups) const {
    for (uint32_t h = 0; h < 2 * groups; ++h) {
      line(section, h, [=](const uint8_t* codes) {
        uint32_t word = 0;
        for (uint32_t i = 0; i < 4; ++i) word |= (word_at(codes + 16 * h + 4 * i) >> 4 & 0x03030303u) << (2 * i);
        return word;
      });
    }
  }

  void put_bytes(std::byte* section, uint32_t groups) const {
    for (uint32_t i = 0; i < 8 * groups; ++i) {
      line(section, i, [=](const uint8_t* codes) { return word_at(codes + 4 * i); });
    }
  }

  void put_halves(std::byte* section, uint32_t n, uint16_t (CodeBlock::*field)[8]) const {
    for (uint32_t i = 0; i < n; ++i) {
      for (uint32_t r = 0; r < L; ++r) memcpy(section + 2 * (i * L + r), &(row[r].*field)[i], 2);
    }
  }

  // Eight 6-bit numbers a lane: four lines of nibbles, two lines of bit pairs.
  void put_six_bits(std::byte* low, std::byte* high, uint8_t (CodeBlock::*field)[16]) const {
    for (uint32_t r = 0; r < L; ++r) {
      const uint8_t* v = row[r].*field;
      for (uint32_t s = 0; s < 4; ++s) low[s * L + r] = std::byte((v[s] & 15) | (v[s + 4] & 15) << 4);
      for (uint32_t s = 0; s < 2; ++s) {
        high[s * L + r] = std::byte(v[s] >> 4 | (v[s + 2] >> 4) << 2 | (v[s + 4] >> 4) << 4 | (v[s + 6] >> 4) << 6);
      }
    }
  }

  void write(const FormatSpec& native, const BlockLayout& at, std::byte* block) const {
    const uint32_t groups = native.block_inputs / 32;
    switch (native.scale) {
      case fb::ScaleKind::F16Min:
        put_halves(block + at.m, groups, &CodeBlock::m);
        [[fallthrough]];
      case fb::ScaleKind::F16:
        put_halves(block + at.d, groups, &CodeBlock::d);
        break;
      case fb::ScaleKind::Super6Min:
        put_halves(block + at.d, 1, &CodeBlock::d);
        put_halves(block + at.m, 1, &CodeBlock::m);
        put_six_bits(block + at.sc_lo, block + at.sc_hi, &CodeBlock::scale);
        put_six_bits(block + at.mn_lo, block + at.mn_hi, &CodeBlock::minimum);
        break;
      case fb::ScaleKind::Super8:
        put_halves(block + at.d, 1, &CodeBlock::d);
        for (uint32_t s = 0; s < 16; ++s) {
          for (uint32_t r = 0; r < L; ++r) block[at.sc_lo + s * L + r] = std::byte(row[r].scale[s]);
        }
        break;
      default:
        SLUICE_CHECK(!"a native format without a packer");
    }
    if (native.code == fb::CodeKind::Int8) {
      put_bytes(block + at.codes, groups);
      return;
    }
    put_low_nibbles(block + at.codes, groups);
    if (native.code_bits == 5) put_bit_four(block + at.high_codes, groups);
    if (native.code_bits == 6) put_bits_four_five(block + at.high_codes, groups);
  }
};

void make_padding(const FormatSpec& native, CodeBlock& block) {
  memset(&block, 0, sizeof block);
  memset(block.codes, native.zero_point, sizeof block.codes);
}

template <uint32_t L>
void pack_codes(const BlockFormat& source, const FormatSpec& native, uint32_t cols, const uint8_t* const* rows,
                uint32_t n_rows, std::byte* strip) {
  const BlockLayout at = block_layout(native, L);
  const uint32_t parts = native.block_inputs / source.inputs;
  const uint32_t source_blocks = cols / source.inputs;
  Lanes<L> lanes;
  for (uint32_t r = n_rows; r < L; ++r) make_padding(native, lanes.row[r]);
  for (uint32_t first = 0; first < source_blocks; first += parts) {
    memset(strip, 0, at.block_bytes);  // pads between sections
    const uint32_t present = source_blocks - first < parts ? source_blocks - first : parts;
    for (uint32_t r = 0; r < n_rows; ++r) {
      if (present < parts) make_padding(native, lanes.row[r]);
      const uint8_t* from = rows[r] + size_t(first) * source.bytes;
      for (uint32_t p = 0; p < present; ++p) source.unpack(from + p * source.bytes, p, lanes.row[r]);
    }
    lanes.write(native, at, strip);
    strip += at.block_bytes;
  }
}

// Input k of all lanes side by side.
void pack_floats(uint32_t width, uint32_t cols, uint32_t lanes, const uint8_t* const* rows, uint32_t n_rows,
                 std::byte* strip) {
  if (lanes == 1) {
    memcpy(strip, rows[0], size_t(cols) * width);
    return;
  }
  memset(strip, 0, size_t(cols) * lanes * width);
  for (uint32_t r = 0; r < n_rows; ++r) {
    for (uint32_t k = 0; k < cols; ++k)
      memcpy(strip + (size_t(k) * lanes + r) * width, rows[r] + size_t(k) * width, width);
  }
}

}  // namespace

void pack_strip(const BlockFormat& source, const FormatSpec& native, uint32_t cols, uint32_t lanes,
                const uint8_t* const* rows, uint32_t n_rows, std::byte* strip) {
  SLUICE_CHECK((lanes == 1 || lanes == kTileRows) && n_rows >= 1 && n_rows <= lanes);
  if (!source.unpack) {
    pack_floats(source.bytes, cols, lanes, rows, n_rows, strip);
  } else if (lanes == 1) {
    pack_codes<1>(source, native, cols, rows, n_rows, strip);
  } else {
    pack_codes<kTileRows>(source, native, cols, rows, n_rows, strip);
  }
}

void widen_floats(const BlockFormat& source, const uint8_t* from, uint32_t n, float* to) {
  if (source.bytes == 4) {
    memcpy(to, from, size_t(n) * 4);
    return;
  }
  const bool bf16 = source.type == kBf16Type;
  for (uint32_t i = 0; i < n; ++i) {
    uint16_t bits;
    memcpy(&bits, from + 2 * size_t(i), 2);
    to[i] = bf16 ? bf16_to_f32(bits) : f16_to_f32(bits);
  }
}

}  // namespace sluice
