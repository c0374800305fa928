// SPDX-License-Identifier: Apache-2.0
#include "schema/tile.h"

#include <bit>
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

Field low_nibble(const BlockLayout& at, uint32_t lanes, uint32_t lane, uint32_t k) {
  const uint32_t group = k / 32, half = k % 32 / 16, i = k % 16 / 4, j = k % 4;
  return {line_byte(at.codes, 4 * group + i, lanes, lane, j), 4 * half, 4};
}

Field bit_four(const BlockLayout& at, uint32_t lanes, uint32_t lane, uint32_t k) {
  const uint32_t group = k / 32, i = k % 32 / 4, j = k % 4;
  return {line_byte(at.high_codes, group, lanes, lane, j), i, 1};
}

Field bits_four_five(const BlockLayout& at, uint32_t lanes, uint32_t lane, uint32_t k) {
  const uint32_t group = k / 32, half = k % 32 / 16, i = k % 16 / 4, j = k % 4;
  return {line_byte(at.high_codes, 2 * group + half, lanes, lane, j), 2 * i, 2};
}

Field high_bits(const FormatSpec& spec, const BlockLayout& at, uint32_t lanes, uint32_t lane, uint32_t k) {
  return spec.code_bits == 5 ? bit_four(at, lanes, lane, k) : bits_four_five(at, lanes, lane, k);
}

// Byte of an 8-bit code or first byte of a float.
uint32_t whole_code(const FormatSpec& spec, const BlockLayout& at, uint32_t lanes, uint32_t lane, uint32_t k) {
  if (spec.code_bits == 8) return line_byte(at.codes, k / 4, lanes, lane, k % 4);
  return at.codes + (k * lanes + lane) * (spec.code_bits / 8);
}

Field six_low(uint32_t section, uint32_t lanes, uint32_t lane, uint32_t sub) {
  return {section + sub % 4 * lanes + lane, sub / 4 * 4, 4};
}

Field six_high(uint32_t section, uint32_t lanes, uint32_t lane, uint32_t sub) {
  return {section + sub % 2 * lanes + lane, sub / 2 * 2, 2};
}

uint16_t get_u16(const std::byte* p) {
  uint16_t v;
  memcpy(&v, p, sizeof v);
  return v;
}

}  // namespace

uint32_t get_code(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t k) {
  const BlockLayout at = block_layout(spec, lanes);
  if (spec.code == CodeKind::Unsigned) {
    uint32_t code = get_field(block, low_nibble(at, lanes, lane, k));
    if (spec.code_bits > 4) code |= get_field(block, high_bits(spec, at, lanes, lane, k)) << 4;
    return code;
  }
  uint32_t code = 0;
  memcpy(&code, block + whole_code(spec, at, lanes, lane, k), spec.code_bits / 8);
  return code;
}

void put_code(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t k, uint32_t code) {
  const BlockLayout at = block_layout(spec, lanes);
  if (spec.code == CodeKind::Unsigned) {
    put_field(block, low_nibble(at, lanes, lane, k), code & 15);
    if (spec.code_bits > 4) put_field(block, high_bits(spec, at, lanes, lane, k), code >> 4);
    return;
  }
  memcpy(block + whole_code(spec, at, lanes, lane, k), &code, spec.code_bits / 8);
}

uint16_t get_d(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t group) {
  return get_u16(block + block_layout(spec, lanes).d + 2 * (group * lanes + lane));
}

void put_d(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t group, uint16_t d) {
  memcpy(block + block_layout(spec, lanes).d + 2 * (group * lanes + lane), &d, sizeof d);
}

uint16_t get_m(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t group) {
  return get_u16(block + block_layout(spec, lanes).m + 2 * (group * lanes + lane));
}

void put_m(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t group, uint16_t m) {
  memcpy(block + block_layout(spec, lanes).m + 2 * (group * lanes + lane), &m, sizeof m);
}

int get_sc(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t sub) {
  const BlockLayout at = block_layout(spec, lanes);
  if (spec.scale == ScaleKind::Super8) return int8_t(block[at.sc_lo + sub * lanes + lane]);
  return int(get_field(block, six_low(at.sc_lo, lanes, lane, sub)) |
             get_field(block, six_high(at.sc_hi, lanes, lane, sub)) << 4);
}

void put_sc(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t sub, int sc) {
  const BlockLayout at = block_layout(spec, lanes);
  if (spec.scale == ScaleKind::Super8) {
    block[at.sc_lo + sub * lanes + lane] = std::byte(sc);
    return;
  }
  put_field(block, six_low(at.sc_lo, lanes, lane, sub), uint32_t(sc) & 15);
  put_field(block, six_high(at.sc_hi, lanes, lane, sub), uint32_t(sc) >> 4);
}

int get_mn(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t sub) {
  const BlockLayout at = block_layout(spec, lanes);
  return int(get_field(block, six_low(at.mn_lo, lanes, lane, sub)) |
             get_field(block, six_high(at.mn_hi, lanes, lane, sub)) << 4);
}

void put_mn(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t sub, int mn) {
  const BlockLayout at = block_layout(spec, lanes);
  put_field(block, six_low(at.mn_lo, lanes, lane, sub), uint32_t(mn) & 15);
  put_field(block, six_high(at.mn_hi, lanes, lane, sub), uint32_t(mn) >> 4);
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
  const uint32_t block_bytes = block_layout(spec, lanes).block_bytes;
  for (uint32_t c = 0; c < cols; ++c) {
    const std::byte* block = strip + size_t(c / spec.block_inputs) * block_bytes;
    const uint32_t k = c % spec.block_inputs;
    const float q = code_value(spec, get_code(spec, lanes, block, lane, k));
    switch (spec.scale) {
      case ScaleKind::None:
        out[c] = q;
        break;
      case ScaleKind::F16:
        out[c] = f16_to_f32(get_d(spec, lanes, block, lane, k / 32)) * q;
        break;
      case ScaleKind::F16Min: {
        const float product = f16_to_f32(get_d(spec, lanes, block, lane, k / 32)) * q;
        out[c] = product + f16_to_f32(get_m(spec, lanes, block, lane, k / 32));
        break;
      }
      case ScaleKind::Super6Min: {
        const float scale =
            f16_to_f32(get_d(spec, lanes, block, lane, 0)) * float(get_sc(spec, lanes, block, lane, k / 32));
        const float minimum =
            f16_to_f32(get_m(spec, lanes, block, lane, 0)) * float(get_mn(spec, lanes, block, lane, k / 32));
        out[c] = scale * q - minimum;
        break;
      }
      case ScaleKind::Super8: {
        const float scale =
            f16_to_f32(get_d(spec, lanes, block, lane, 0)) * float(get_sc(spec, lanes, block, lane, k / 16));
        out[c] = scale * q;
        break;
      }
      default:
        SLUICE_CHECK(!"a format that check_format() refuses");
    }
  }
}

}  // namespace sluice
