// SPDX-License-Identifier: Apache-2.0
// Every block is taken apart into plain codes and scales (16 rows side by side), then its sections are written line by
// line: a line is one 32-bit word of four codes per lane, so all shifting is done on four codes at once.
#include "converter/pack.h"

#include <cstring>
#include <vector>

#include "base/check.h"

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

  // The sections below begin with the codes of group `first`.
  void put_nibbles(std::byte* section, uint32_t first, uint32_t groups) const {
    for (uint32_t g = 0; g < groups; ++g) {
      for (uint32_t i = 0; i < 4; ++i) {
        line(section, 4 * g + i, [=](const uint8_t* codes) {
          const uint8_t* c = codes + 32 * (first + g) + 4 * i;
          return (word_at(c) & 0x0f0f0f0fu) | (word_at(c + 16) & 0x0f0f0f0fu) << 4;
        });
      }
    }
  }

  // Bit `Shift` of the codes.
  template <uint32_t Shift>
  void put_bits(std::byte* section, uint32_t first, uint32_t groups) const {
    for (uint32_t g = 0; g < groups; ++g) {
      line(section, g, [=](const uint8_t* codes) {
        uint32_t word = 0;
        for (uint32_t i = 0; i < 8; ++i) {
          word |= (word_at(codes + 32 * (first + g) + 4 * i) >> Shift & 0x01010101u) << i;
        }
        return word;
      });
    }
  }

  // Bits `Shift` and the next.
  template <uint32_t Shift>
  void put_pairs(std::byte* section, uint32_t first, uint32_t groups) const {
    for (uint32_t h = 0; h < 2 * groups; ++h) {
      line(section, h, [=](const uint8_t* codes) {
        uint32_t word = 0;
        for (uint32_t i = 0; i < 4; ++i) {
          word |= (word_at(codes + 32 * first + 16 * h + 4 * i) >> Shift & 0x03030303u) << (2 * i);
        }
        return word;
      });
    }
  }

  void put_bytes(std::byte* section, uint32_t first, uint32_t groups) const {
    for (uint32_t i = 0; i < 8 * groups; ++i) {
      line(section, i, [=](const uint8_t* codes) { return word_at(codes + 32 * first + 4 * i); });
    }
  }

  void put_halves(std::byte* section, uint32_t first, uint32_t n, uint16_t (CodeBlock::*field)[8]) const {
    for (uint32_t i = 0; i < n; ++i) {
      for (uint32_t r = 0; r < L; ++r) memcpy(section + 2 * (i * L + r), &(row[r].*field)[first + i], 2);
    }
  }

  // n 6-bit numbers a lane: n/2 lines of nibbles, n/4 lines of bit pairs.
  void put_six_bits(std::byte* low, std::byte* high, uint32_t n, uint8_t (CodeBlock::*field)[16]) const {
    for (uint32_t r = 0; r < L; ++r) {
      const uint8_t* v = row[r].*field;
      for (uint32_t s = 0; s < n / 2; ++s) low[s * L + r] = std::byte((v[s] & 15) | (v[s + n / 2] & 15) << 4);
      for (uint32_t s = 0; s < n / 4; ++s) {
        uint32_t pairs = 0;
        for (uint32_t i = 0; i < 4; ++i) pairs |= uint32_t(v[s + i * n / 4] >> 4) << (2 * i);
        high[s * L + r] = std::byte(pairs);
      }
    }
  }

  // Everything but the codes; `first`: the first scale group of the block.
  void write_scales(const FormatSpec& native, const BlockLayout& at, uint32_t first, std::byte* block) const {
    const uint32_t groups = native.block_inputs / native.group_size;
    switch (native.scale) {
      case fb::ScaleKind::F16Min:
        put_halves(block + at.m, first, groups, &CodeBlock::m);
        [[fallthrough]];
      case fb::ScaleKind::F16:
        put_halves(block + at.d, first, groups, &CodeBlock::d);
        return;
      case fb::ScaleKind::E8M0:
        for (uint32_t g = 0; g < groups; ++g) {
          for (uint32_t r = 0; r < L; ++r) block[at.d + g * L + r] = std::byte(row[r].d[first + g]);
        }
        return;
      default:
        break;
    }
    put_halves(block + at.d, 0, 1, &CodeBlock::d);
    switch (native.scale) {
      case fb::ScaleKind::Super6Min:
        put_halves(block + at.m, 0, 1, &CodeBlock::m);
        put_six_bits(block + at.mn_lo, block + at.mn_hi, groups, &CodeBlock::minimum);
        [[fallthrough]];
      case fb::ScaleKind::Super6:
        put_six_bits(block + at.sc_lo, block + at.sc_hi, groups, &CodeBlock::scale);
        return;
      case fb::ScaleKind::Super4Min:
        put_halves(block + at.m, 0, 1, &CodeBlock::m);
        for (uint32_t s = 0; s < groups; ++s) {
          for (uint32_t r = 0; r < L; ++r) {
            block[at.sc_lo + s * L + r] = std::byte(row[r].scale[s] | row[r].minimum[s] << 4);
          }
        }
        return;
      case fb::ScaleKind::Super8:
        for (uint32_t s = 0; s < groups; ++s) {
          for (uint32_t r = 0; r < L; ++r) block[at.sc_lo + s * L + r] = std::byte(row[r].scale[s]);
        }
        return;
      default:
        SLUICE_CHECK(!"a native format without a packer");
    }
  }

  // `first`: the first input of the block in the runs.
  void write(const FormatSpec& native, const BlockLayout& at, uint32_t first, std::byte* block) const {
    write_scales(native, at, first / native.group_size, block);
    const uint32_t group = first / 32, groups = native.block_inputs / 32;
    std::byte *low = block + at.codes, *high = block + at.high_codes;
    switch (native.code_bits) {
      case 2:
        return put_pairs<0>(low, group, groups);
      case 3:
        put_pairs<0>(low, group, groups);
        return put_bits<2>(high, group, groups);
      case 4:
        return put_nibbles(low, group, groups);
      case 5:
        put_nibbles(low, group, groups);
        return put_bits<4>(high, group, groups);
      case 6:
        put_nibbles(low, group, groups);
        return put_pairs<4>(high, group, groups);
      default:
        put_bytes(low, group, groups);
    }
  }
};

void make_padding(const FormatSpec& native, CodeBlock& block) {
  memset(&block, 0, sizeof block);
  memset(block.codes, native.zero_point, sizeof block.codes);
}

// A run is one source block or one tile block, whichever is longer.
template <uint32_t L>
void pack_codes(const BlockFormat& source, const FormatSpec& native, uint32_t cols, const uint8_t* const* rows,
                uint32_t n_rows, std::byte* strip) {
  const BlockLayout at = block_layout(native, L);
  const uint32_t run = source.inputs > native.block_inputs ? source.inputs : native.block_inputs;
  const uint32_t parts = run / source.inputs, source_blocks = cols / source.inputs;
  Lanes<L> lanes;
  for (uint32_t r = n_rows; r < L; ++r) make_padding(native, lanes.row[r]);
  for (uint32_t first = 0; first < source_blocks; first += parts) {
    const uint32_t present = source_blocks - first < parts ? source_blocks - first : parts;
    for (uint32_t r = 0; r < n_rows; ++r) {
      if (present < parts) make_padding(native, lanes.row[r]);
      const uint8_t* from = rows[r] + size_t(first) * source.bytes;
      for (uint32_t p = 0; p < present; ++p) source.unpack(from + p * source.bytes, p, lanes.row[r]);
    }
    for (uint32_t k = 0; k < run; k += native.block_inputs) {
      memset(strip, 0, at.codes);  // pads between sections of scales
      lanes.write(native, at, k, strip);
      strip += at.block_bytes;
    }
  }
}

// Input k of all lanes side by side.
template <uint32_t kWidth>
void interleave(uint32_t cols, const uint8_t* const* rows, uint32_t n_rows, std::byte* strip) {
  for (uint32_t k = 0; k < cols; ++k, strip += kTileRows * kWidth) {
    if (n_rows == kTileRows) {  // known to the compiler
      for (uint32_t r = 0; r < kTileRows; ++r) memcpy(strip + r * kWidth, rows[r] + size_t(k) * kWidth, kWidth);
    } else {
      memset(strip, 0, kTileRows * kWidth);
      for (uint32_t r = 0; r < n_rows; ++r) memcpy(strip + r * kWidth, rows[r] + size_t(k) * kWidth, kWidth);
    }
  }
}

void pack_floats(uint32_t width, uint32_t cols, uint32_t lanes, const uint8_t* const* rows, uint32_t n_rows,
                 std::byte* strip) {
  if (lanes == 1) {
    memcpy(strip, rows[0], size_t(cols) * width);
  } else if (width == 2) {
    interleave<2>(cols, rows, n_rows, strip);
  } else {
    interleave<4>(cols, rows, n_rows, strip);
  }
}

// Numbers that the tile stores as float32 become it first, row by row.
void pack_widened(const BlockFormat& source, uint32_t cols, uint32_t lanes, const uint8_t* const* rows, uint32_t n_rows,
                  std::byte* strip) {
  std::vector<float> values(size_t(cols) * n_rows);
  const uint8_t* widened[kTileRows];
  for (uint32_t r = 0; r < n_rows; ++r) {
    float* to = values.data() + size_t(r) * cols;
    widen_numbers(source, rows[r], cols, to);
    widened[r] = reinterpret_cast<const uint8_t*>(to);
  }
  pack_floats(4, cols, lanes, widened, n_rows, strip);
}

}  // namespace

void pack_strip(const BlockFormat& source, const FormatSpec& native, uint32_t cols, uint32_t lanes,
                const uint8_t* const* rows, uint32_t n_rows, std::byte* strip) {
  SLUICE_CHECK((lanes == 1 || lanes == kTileRows) && n_rows >= 1 && n_rows <= lanes);
  if (!source.unpack && !is_native_number(source)) {
    pack_widened(source, cols, lanes, rows, n_rows, strip);
  } else if (!source.unpack) {
    pack_floats(source.bytes, cols, lanes, rows, n_rows, strip);
  } else if (lanes == 1) {
    pack_codes<1>(source, native, cols, rows, n_rows, strip);
  } else {
    pack_codes<kTileRows>(source, native, cols, rows, n_rows, strip);
  }
}

}  // namespace sluice
