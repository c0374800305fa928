// SPDX-License-Identifier: Apache-2.0
#include "backends/reference/dequantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sluice::reference {

namespace {

// A block seen as a row of sections; each section is addressed in lines of `lanes` bytes per unit.
class Block {
 public:
  Block(const std::byte* data, uint32_t lanes, uint32_t lane) : data_(data), lanes_(lanes), lane_(lane) {}

  // Byte j of this lane in line `line` (4 bytes a lane) of the section that begins `section` bytes (of one lane) in.
  uint32_t code_byte(uint32_t section, uint32_t line, uint32_t j) const {
    return uint32_t(data_[size_t(section + 4 * line) * lanes_ + 4 * lane_ + j]);
  }
  uint32_t byte(uint32_t section, uint32_t index) const {
    return uint32_t(data_[size_t(section + index) * lanes_ + lane_]);
  }
  float half(uint32_t section, uint32_t index) const {
    uint16_t h;
    std::memcpy(&h, data_ + size_t(section + 2 * index) * lanes_ + 2 * lane_, 2);
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    float value;
    if (exponent == 31)
      value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
      value = std::ldexp(float(fraction), -24);
    else
      value = std::ldexp(float(fraction + 1024), exponent - 25);
    return h & 0x8000 ? -value : value;
  }

 private:
  const std::byte* data_;
  uint32_t lanes_, lane_;
};

// Sections' lengths in bytes for one lane.
uint32_t bytes_before_codes(ScaleKind scale) {
  switch (scale) {
    case ScaleKind::kF16:
      return 4;  // d: 2 groups
    case ScaleKind::kF16Min:
      return 4 + 4;  // d, m
    case ScaleKind::kSuper6Min:
      return 2 + 2 + 4 + 4 + 2 + 2;  // d, dmin, sc low, mn low, sc high, mn high
    default:
      return 2 + 2 + 16;  // Super8: d, pad, sc
  }
}

float quantized_weight(const WeightFormat& f, const Block& b, uint32_t k) {
  const uint32_t group = k / 32, in_group = k % 32, i8 = in_group / 4, j = k % 4;
  const uint32_t low = bytes_before_codes(f.scale);
  uint32_t code = 0;
  if (f.code_bits == 8) {
    code = b.code_byte(low, 8 * group + i8, j);
  } else {
    const uint32_t nibbles = b.code_byte(low, 4 * group + i8 % 4, j);
    code = in_group < 16 ? nibbles & 15 : nibbles >> 4;
    const uint32_t high = low + f.block_inputs / 32 * 16;
    if (f.code_bits == 5 && (b.code_byte(high, group, j) & 1u << i8)) code += 16;
    if (f.code_bits == 6) code += (b.code_byte(high, 2 * group + in_group / 16, j) >> 2 * (i8 % 4)) % 4 * 16;
  }
  float q;
  if (f.has_table)
    q = f.table[code];
  else if (f.code == CodeKind::kInt8)
    q = code < 128 ? float(code) : float(code) - 256.0f;
  else
    q = float(code) - float(f.zero_point);

  switch (f.scale) {
    case ScaleKind::kF16:
      return b.half(0, group) * q;
    case ScaleKind::kF16Min:
      return b.half(0, group) * q + b.half(4, group);
    case ScaleKind::kSuper8: {
      const uint32_t sc = b.byte(4, k / 16);
      return b.half(0, 0) * (sc < 128 ? float(sc) : float(sc) - 256.0f) * q;
    }
    default: {
      const auto six = [&](uint32_t low_section, uint32_t high_section) {
        const uint32_t nibbles = b.byte(low_section, group % 4);
        return float((group < 4 ? nibbles & 15 : nibbles >> 4) +
                     (b.byte(high_section, group % 2) >> 2 * (group / 2)) % 4 * 16);
      };
      return b.half(0, 0) * six(4, 12) * q - b.half(2, 0) * six(8, 14);
    }
  }
}

float float_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

}  // namespace

bool can_dequantize(const WeightFormat& f) {
  switch (f.code) {
    case CodeKind::kF32:
      return f.scale == ScaleKind::kNone && f.block_inputs == 1 && f.block_bytes == 64;
    case CodeKind::kF16:
    case CodeKind::kBF16:
      return f.scale == ScaleKind::kNone && f.block_inputs == 1 && f.block_bytes == 32;
    default:
      break;
  }
  uint32_t head, inputs, group;
  switch (f.scale) {
    case ScaleKind::kF16:
      head = 4, inputs = 64, group = 32;
      break;
    case ScaleKind::kF16Min:
      head = 8, inputs = 64, group = 32;
      break;
    case ScaleKind::kSuper6Min:
      head = 16, inputs = 256, group = 32;
      break;
    case ScaleKind::kSuper8:
      head = 20, inputs = 256, group = 16;
      break;
    default:
      return false;
  }
  const bool bits_known = f.code == CodeKind::kInt8 ? f.code_bits == 8 : f.code_bits >= 4 && f.code_bits <= 6;
  return bits_known && f.group_size == group && f.block_inputs == inputs && (!f.has_table || f.code_bits == 4) &&
         f.block_bytes == 16 * (head + inputs * f.code_bits / 8);
}

float weight(const WeightFormat& f, const std::byte* strip, uint32_t lanes, uint32_t lane, uint32_t k) {
  const Block block(strip + size_t(k / f.block_inputs) * f.block_bytes / kStripRows * lanes, lanes, lane);
  switch (f.code) {
    case CodeKind::kF16:
      return block.half(0, 0);
    case CodeKind::kF32:
    case CodeKind::kBF16: {
      const uint32_t size = f.code == CodeKind::kF32 ? 4 : 2;
      const std::byte* p = strip + (size_t(k) * lanes + lane) * size;
      uint32_t bits = 0;
      for (uint32_t i = 0; i < size; ++i) bits |= uint32_t(p[i]) << 8 * (i + 4 - size);
      return float_bits(bits);
    }
    default:
      return quantized_weight(f, block, k % f.block_inputs);
  }
}

void dequantize_rows(const Matrix& m, uint32_t first_row, uint32_t n, uint32_t k_begin, uint32_t k_end, float* w) {
  const uint32_t cols = k_end - k_begin;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t row = first_row + i;
    float* to = w + size_t(i) * cols;
    if (row >= m.rows) {
      std::fill(to, to + cols, 0.0f);
      continue;
    }
    const std::byte* strip = m.strip(row / kStripRows);
    for (uint32_t k = k_begin; k < k_end; ++k)
      to[k - k_begin] = weight(*m.format, strip, kStripRows, row % kStripRows, k);
  }
}

}  // namespace sluice::reference
