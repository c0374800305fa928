// SPDX-License-Identifier: Apache-2.0
#include "schema/tile.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/half.h"

namespace sluice {

using fb::CodeKind;
using fb::ScaleKind;

static_assert(std::endian::native == std::endian::little, "blocks are little-endian and read in place");

namespace {

// A field of `bits` bits inside one byte.
struct Field {
  uint32_t byte, shift, bits;
};

uint32_t get_field(const std::byte* block, Field f) {
  return (uint32_t(block[f.byte]) >> f.shift) & ((1u << f.bits) - 1);
}

void put_field(std::byte* block, Field f, uint32_t value) {
  const uint32_t mask = ((1u << f.bits) - 1) << f.shift;
  block[f.byte] = std::byte((uint32_t(block[f.byte]) & ~mask) | ((value << f.shift) & mask));
}

// Byte 4 lane + j of line `line` of a section.
uint32_t line_byte(uint32_t section, uint32_t line, uint32_t lanes, uint32_t lane, uint32_t j) {
  return section + line * 4 * lanes + 4 * lane + j;
}

Field nibble(uint32_t section, uint32_t lanes, uint32_t lane, uint32_t k) {
  const uint32_t group = k / 32, half = k % 32 / 16, i = k % 16 / 4, j = k % 4;
  return {line_byte(section, 4 * group + i, lanes, lane, j), 4 * half, 4};
}

Field pair(uint32_t section, uint32_t lanes, uint32_t lane, uint32_t k) {
  const uint32_t group = k / 32, half = k % 32 / 16, i = k % 16 / 4, j = k % 4;
  return {line_byte(section, 2 * group + half, lanes, lane, j), 2 * i, 2};
}

Field single_bit(uint32_t section, uint32_t lanes, uint32_t lane, uint32_t k) {
  const uint32_t group = k / 32, i = k % 32 / 4, j = k % 4;
  return {line_byte(section, group, lanes, lane, j), i, 1};
}

Field low_bits(const FormatSpec& spec, const BlockLayout& at, uint32_t lanes, uint32_t lane, uint32_t k) {
  return low_code_bits(spec) == 4 ? nibble(at.codes, lanes, lane, k) : pair(at.codes, lanes, lane, k);
}

bool has_high_bits(const FormatSpec& spec) { return spec.code_bits > low_code_bits(spec); }

Field high_bits(const FormatSpec& spec, const BlockLayout& at, uint32_t lanes, uint32_t lane, uint32_t k) {
  return spec.code_bits == 6 ? pair(at.high_codes, lanes, lane, k) : single_bit(at.high_codes, lanes, lane, k);
}

// Byte of an 8-bit code or first byte of a float.
uint32_t whole_code(const FormatSpec& spec, const BlockLayout& at, uint32_t lanes, uint32_t lane, uint32_t k) {
  if (spec.code_bits == 8) return line_byte(at.codes, k / 4, lanes, lane, k % 4);
  return at.codes + (k * lanes + lane) * (spec.code_bits / 8);
}

// The 6-bit number of sub-block `sub` of `n`.
Field six_low(uint32_t section, uint32_t n, uint32_t lanes, uint32_t lane, uint32_t sub) {
  return {section + sub % (n / 2) * lanes + lane, sub / (n / 2) * 4, 4};
}

Field six_high(uint32_t section, uint32_t n, uint32_t lanes, uint32_t lane, uint32_t sub) {
  return {section + sub % (n / 4) * lanes + lane, sub / (n / 4) * 2, 2};
}

// The byte of Super4Min: its low nibble is sc, the high one mn.
Field four(const BlockLayout& at, uint32_t lanes, uint32_t lane, uint32_t sub, uint32_t shift) {
  return {at.sc_lo + sub * lanes + lane, shift, 4};
}

uint32_t sub_blocks(const FormatSpec& spec) { return spec.block_inputs / spec.group_size; }

uint16_t get_u16(const std::byte* p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

// The readers below know the layout already.

uint32_t code_at(const FormatSpec& spec, const BlockLayout& at, uint32_t lanes, const std::byte* block, uint32_t lane,
                 uint32_t k) {
  if (spec.code == CodeKind::Unsigned) {
    uint32_t code = get_field(block, low_bits(spec, at, lanes, lane, k));
    if (has_high_bits(spec)) code |= get_field(block, high_bits(spec, at, lanes, lane, k)) << low_code_bits(spec);
    return code;
  }
  uint32_t code = 0;
  memcpy(&code, block + whole_code(spec, at, lanes, lane, k), spec.code_bits / 8);
  return code;
}

uint16_t d_at(const FormatSpec& spec, const BlockLayout& at, uint32_t lanes, const std::byte* block, uint32_t lane,
              uint32_t group) {
  const uint32_t index = group * lanes + lane;
  return spec.scale == ScaleKind::E8M0 ? uint16_t(block[at.d + index]) : get_u16(block + at.d + 2 * index);
}

uint16_t m_at(const BlockLayout& at, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t group) {
  return get_u16(block + at.m + 2 * (group * lanes + lane));
}

int sc_at(const FormatSpec& spec, const BlockLayout& at, uint32_t lanes, const std::byte* block, uint32_t lane,
          uint32_t sub) {
  if (spec.scale == ScaleKind::Super8) return int8_t(block[at.sc_lo + sub * lanes + lane]);
  if (spec.scale == ScaleKind::Super4Min) return int(get_field(block, four(at, lanes, lane, sub, 0)));
  const int stored = int(get_field(block, six_low(at.sc_lo, sub_blocks(spec), lanes, lane, sub)) |
                         get_field(block, six_high(at.sc_hi, sub_blocks(spec), lanes, lane, sub)) << 4);
  return spec.scale == ScaleKind::Super6 ? stored - 32 : stored;
}

int mn_at(const FormatSpec& spec, const BlockLayout& at, uint32_t lanes, const std::byte* block, uint32_t lane,
          uint32_t sub) {
  if (spec.scale == ScaleKind::Super4Min) return int(get_field(block, four(at, lanes, lane, sub, 4)));
  return int(get_field(block, six_low(at.mn_lo, sub_blocks(spec), lanes, lane, sub)) |
             get_field(block, six_high(at.mn_hi, sub_blocks(spec), lanes, lane, sub)) << 4);
}

}  // namespace

uint32_t get_code(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t k) {
  return code_at(spec, block_layout(spec, lanes), lanes, block, lane, k);
}

void put_code(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t k, uint32_t code) {
  const BlockLayout at = block_layout(spec, lanes);
  if (spec.code == CodeKind::Unsigned) {
    put_field(block, low_bits(spec, at, lanes, lane, k), code);
    if (has_high_bits(spec)) put_field(block, high_bits(spec, at, lanes, lane, k), code >> low_code_bits(spec));
    return;
  }
  memcpy(block + whole_code(spec, at, lanes, lane, k), &code, spec.code_bits / 8);
}

uint16_t get_d(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t group) {
  return d_at(spec, block_layout(spec, lanes), lanes, block, lane, group);
}

void put_d(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t group, uint16_t d) {
  const uint32_t at = block_layout(spec, lanes).d, index = group * lanes + lane;
  memcpy(block + at + (spec.scale == ScaleKind::E8M0 ? index : 2 * index), &d,
         spec.scale == ScaleKind::E8M0 ? 1 : sizeof d);
}

uint16_t get_m(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t group) {
  return m_at(block_layout(spec, lanes), lanes, block, lane, group);
}

void put_m(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t group, uint16_t m) {
  memcpy(block + block_layout(spec, lanes).m + 2 * (group * lanes + lane), &m, sizeof m);
}

int get_sc(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t sub) {
  return sc_at(spec, block_layout(spec, lanes), lanes, block, lane, sub);
}

void put_sc(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t sub, int sc) {
  const BlockLayout at = block_layout(spec, lanes);
  if (spec.scale == ScaleKind::Super8) {
    block[at.sc_lo + sub * lanes + lane] = std::byte(sc);
    return;
  }
  if (spec.scale == ScaleKind::Super4Min) return put_field(block, four(at, lanes, lane, sub, 0), uint32_t(sc));
  const uint32_t stored = uint32_t(spec.scale == ScaleKind::Super6 ? sc + 32 : sc);
  put_field(block, six_low(at.sc_lo, sub_blocks(spec), lanes, lane, sub), stored);
  put_field(block, six_high(at.sc_hi, sub_blocks(spec), lanes, lane, sub), stored >> 4);
}

int get_mn(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t sub) {
  return mn_at(spec, block_layout(spec, lanes), lanes, block, lane, sub);
}

void put_mn(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t sub, int mn) {
  const BlockLayout at = block_layout(spec, lanes);
  if (spec.scale == ScaleKind::Super4Min) return put_field(block, four(at, lanes, lane, sub, 4), uint32_t(mn));
  put_field(block, six_low(at.mn_lo, sub_blocks(spec), lanes, lane, sub), uint32_t(mn));
  put_field(block, six_high(at.mn_hi, sub_blocks(spec), lanes, lane, sub), uint32_t(mn) >> 4);
}

void clear_block(const FormatSpec& spec, uint32_t lanes, std::byte* block) {
  memset(block, 0, block_layout(spec, lanes).block_bytes);
  if (spec.zero_point == 0) return;
  for (uint32_t lane = 0; lane < lanes; ++lane) {
    for (uint32_t k = 0; k < spec.block_inputs; ++k) put_code(spec, lanes, block, lane, k, spec.zero_point);
  }
}

namespace {

// The number that a code stands for before scaling; floats are whole weights.
float code_value(const FormatSpec& spec, uint32_t code) {
  switch (spec.code) {
    case CodeKind::F32:
      return std::bit_cast<float>(code);
    case CodeKind::F16:
      return f16_to_f32(uint16_t(code));
    case CodeKind::BF16:
      return bf16_to_f32(uint16_t(code));
    case CodeKind::Int8:
      return float(int8_t(code));
    case CodeKind::Unsigned:
      break;
  }
  return spec.has_table ? float(spec.table[code]) : float(int(code) - int(spec.zero_point));
}

}  // namespace

void dequantize_row(const FormatSpec& spec, uint32_t cols, uint32_t lanes, uint32_t lane, const std::byte* strip,
                    float* out) {
  const BlockLayout at = block_layout(spec, lanes);
  for (uint32_t c = 0; c < cols; ++c) {
    const std::byte* block = strip + size_t(c / spec.block_inputs) * at.block_bytes;
    const uint32_t k = c % spec.block_inputs, group = spec.group_size == 0 ? 0 : k / spec.group_size;
    const float q = code_value(spec, code_at(spec, at, lanes, block, lane, k));
    const auto half_d = [&](uint32_t g) { return f16_to_f32(d_at(spec, at, lanes, block, lane, g)); };
    const auto half_m = [&](uint32_t g) { return f16_to_f32(m_at(at, lanes, block, lane, g)); };
    const auto sc = [&] { return float(sc_at(spec, at, lanes, block, lane, group)); };
    switch (spec.scale) {
      case ScaleKind::None:
        out[c] = q;
        break;
      case ScaleKind::F16:
        out[c] = half_d(group) * q;
        break;
      case ScaleKind::E8M0:
        out[c] = std::ldexp(1.0f, int(d_at(spec, at, lanes, block, lane, group)) - 128) * q;
        break;
      case ScaleKind::F16Min: {
        const float product = half_d(group) * q;
        out[c] = product + half_m(group);
        break;
      }
      case ScaleKind::Super6Min:
      case ScaleKind::Super4Min: {
        const float scale = half_d(0) * sc();
        const float minimum = half_m(0) * float(mn_at(spec, at, lanes, block, lane, group));
        const float product = scale * q;
        out[c] = product - minimum;
        break;
      }
      case ScaleKind::Super8:
      case ScaleKind::Super6: {
        const float scale = half_d(0) * sc();
        out[c] = scale * q;
        break;
      }
      default:
        SLUICE_CHECK(!"a format that check_format() refuses");
    }
  }
}

}  // namespace sluice
