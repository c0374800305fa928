// SPDX-License-Identifier: Apache-2.0
#include "backends/reference/dequantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sluice::reference {

namespace {

// A block seen as a row of sections; each section is addressed in lines of `lanes` bytes per unit.
class LaneBlock {
 public:
  LaneBlock(const std::byte* data, uint32_t lanes, uint32_t lane) : data_(data), lanes_(lanes), lane_(lane) {}

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
      value = float(fraction) * 0x1p-24f;
    else
      value = float(fraction + 1024) * float(1 << exponent) * 0x1p-25f;  // exact; ldexp took a third of the time
    return h & 0x8000 ? -value : value;
  }

 private:
  const std::byte* data_;
  uint32_t lanes_, lane_;
};

// Scale groups of a block.
uint32_t groups_of(const WeightFormat& f) { return f.block_inputs / f.group_size; }

// Sections' lengths in bytes for one lane.
uint32_t bytes_before_codes(const WeightFormat& f) {
  const uint32_t n = groups_of(f);
  switch (f.scale) {
    case ScaleKind::kF16:
      return 2 * n;  // d
    case ScaleKind::kF16Min:
      return 2 * n + 2 * n;  // d, m
    case ScaleKind::kE8M0:
      return n;  // e
    case ScaleKind::kSuper6Min:
      return 2 + 2 + 4 + 4 + 2 + 2;  // d, dmin, sc low, mn low, sc high, mn high
    case ScaleKind::kSuper4Min:
      return 2 + 2 + n;  // d, dmin, sc and mn
    case ScaleKind::kSuper6:
      return n == 16 ? 2 + 2 + 8 + 4 : 2 + 4 + 2;  // d, (pad,) sc low, sc high
    default:
      return 2 + 2 + n;  // Super8: d, pad, sc
  }
}

// 6-bit number g of n whose low and high parts begin at the given sections.
float six_bits(const LaneBlock& b, uint32_t low_section, uint32_t high_section, uint32_t n, uint32_t g) {
  const uint32_t nibbles = b.byte(low_section, g % (n / 2)), pairs = b.byte(high_section, g % (n / 4));
  return float((g < n / 2 ? nibbles & 15 : nibbles >> 4) + (pairs >> 2 * (g / (n / 4))) % 4 * 16);
}

float signed_byte(uint32_t byte) { return byte < 128 ? float(byte) : float(byte) - 256.0f; }

// The 32 codes of lines' group g, as the numbers they stand for.
void codes_of_group(const WeightFormat& f, const LaneBlock& b, uint32_t g, float q[32]) {
  const uint32_t low = bytes_before_codes(f), high = low + f.block_inputs * (f.code_bits < 4 ? 2 : 4) / 8;
  for (uint32_t k = 0; k < 32; ++k) {
    const uint32_t i = k / 4, j = k % 4;
    if (f.code_bits == 8) {
      q[k] = signed_byte(b.code_byte(low, 8 * g + i, j));
      continue;
    }
    const auto pair = [&](uint32_t section) { return (b.code_byte(section, 2 * g + k / 16, j) >> 2 * (i % 4)) % 4; };
    const auto bit = [&](uint32_t section) { return (b.code_byte(section, g, j) >> i) % 2; };
    uint32_t code;
    if (f.code_bits < 4) {
      code = pair(low);
      if (f.code_bits == 3) code += bit(high) * 4;
    } else {
      const uint32_t nibbles = b.code_byte(low, 4 * g + i % 4, j);
      code = k < 16 ? nibbles & 15 : nibbles >> 4;
      if (f.code_bits == 5) code += bit(high) * 16;
      if (f.code_bits == 6) code += pair(high) * 16;
    }
    q[k] = f.has_table ? float(f.table[code]) : float(code) - float(f.zero_point);
  }
}

// Scale group g of a block: w = scale * q, or scale * q - minimum.
struct GroupScale {
  float scale = 0, minimum = 0;
};

GroupScale group_scale(const WeightFormat& f, const LaneBlock& b, uint32_t g) {
  const uint32_t n = groups_of(f);
  switch (f.scale) {
    case ScaleKind::kF16:
      return {b.half(0, g)};
    case ScaleKind::kF16Min:
      return {b.half(0, g), -b.half(2 * n, g)};
    case ScaleKind::kE8M0:
      return {std::ldexp(1.0f, int(b.byte(0, g)) - 128)};
    case ScaleKind::kSuper6Min:
      return {b.half(0, 0) * six_bits(b, 4, 12, n, g), b.half(2, 0) * six_bits(b, 8, 14, n, g)};
    case ScaleKind::kSuper4Min:
      return {b.half(0, 0) * float(b.byte(4, g) & 15), b.half(2, 0) * float(b.byte(4, g) >> 4)};
    case ScaleKind::kSuper6: {
      const uint32_t low = n == 16 ? 4 : 2;
      return {b.half(0, 0) * (six_bits(b, low, low + n / 2, n, g) - 32.0f)};
    }
    default:
      return {b.half(0, 0) * signed_byte(b.byte(4, g))};
  }
}

void dequantize_group(const WeightFormat& f, const LaneBlock& b, uint32_t g, float w[32]) {
  codes_of_group(f, b, g, w);
  const bool has_minimum =
      f.scale == ScaleKind::kF16Min || f.scale == ScaleKind::kSuper6Min || f.scale == ScaleKind::kSuper4Min;
  for (uint32_t k = 0; k < 32; ++k) {
    const GroupScale s = group_scale(f, b, (32 * g + k) / f.group_size);
    w[k] = s.scale * w[k];
    if (has_minimum) w[k] = w[k] - s.minimum;
  }
}

float float_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

float float_weight(const WeightFormat& f, const std::byte* strip, uint32_t lanes, uint32_t lane, uint32_t k) {
  const size_t at = size_t(k) * lanes + lane;
  if (f.code == CodeKind::kF16) return LaneBlock(strip + 2 * (at - lane), lanes, lane).half(0, 0);
  const uint32_t size = f.code == CodeKind::kF32 ? 4 : 2;
  uint32_t bits = 0;
  for (uint32_t i = 0; i < size; ++i) bits |= uint32_t(strip[at * size + i]) << 8 * (i + 4 - size);
  return float_bits(bits);
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
  struct Known {
    ScaleKind scale;
    uint32_t group, inputs, least_bits, most_bits;
  };
  constexpr Known kKnown[] = {{ScaleKind::kF16, 32, 64, 2, 8},        {ScaleKind::kF16, 16, 64, 4, 4},
                              {ScaleKind::kF16Min, 32, 64, 4, 5},     {ScaleKind::kE8M0, 32, 128, 4, 4},
                              {ScaleKind::kSuper6Min, 32, 256, 4, 5}, {ScaleKind::kSuper4Min, 16, 256, 2, 2},
                              {ScaleKind::kSuper6, 16, 256, 3, 3},    {ScaleKind::kSuper6, 32, 256, 4, 4},
                              {ScaleKind::kSuper8, 16, 256, 6, 6}};
  const bool bits_fit_kind = f.code == CodeKind::kInt8 ? f.code_bits == 8 : f.code_bits >= 2 && f.code_bits <= 6;
  if (!bits_fit_kind || (f.has_table && f.code_bits != 4)) return false;
  return std::any_of(std::begin(kKnown), std::end(kKnown), [&](const Known& k) {
    return k.scale == f.scale && k.group == f.group_size && k.inputs == f.block_inputs && f.code_bits >= k.least_bits &&
           f.code_bits <= k.most_bits && f.block_bytes == 16 * (bytes_before_codes(f) + k.inputs * f.code_bits / 8);
  });
}

void dequantize_row(const WeightFormat& f, const std::byte* strip, uint32_t lanes, uint32_t lane, uint32_t k_begin,
                    uint32_t k_end, float* w) {
  if (f.scale == ScaleKind::kNone) {
    for (uint32_t k = k_begin; k < k_end; ++k) w[k - k_begin] = float_weight(f, strip, lanes, lane, k);
    return;
  }
  for (uint32_t group = k_begin / 32; 32 * group < k_end; ++group) {
    const uint32_t per_block = f.block_inputs / 32;
    const size_t block_bytes = size_t(f.block_bytes) / kStripRows * lanes;
    float values[32];
    dequantize_group(f, LaneBlock(strip + group / per_block * block_bytes, lanes, lane), group % per_block, values);
    const uint32_t begin = std::max(k_begin, 32 * group), end = std::min(k_end, 32 * group + 32);
    std::copy(values + (begin - 32 * group), values + (end - 32 * group), w + (begin - k_begin));
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
    dequantize_row(*m.format, m.strip(row / kStripRows), kStripRows, row % kStripRows, k_begin, k_end, to);
  }
}

}  // namespace sluice::reference
