// SPDX-License-Identifier: Apache-2.0
// Matrices in the tile for tests: numbers chosen per weight, written byte by byte as schema/FORMAT.md words it, with
// the float value each weight must have kept beside. Independent of every backend.
#pragma once
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace sluice::test {

struct NamedFormat {
  std::string name;
  WeightFormat format;
};

inline WeightFormat int_format(CodeKind code, ScaleKind scale, int bits, int zero, uint32_t group, uint32_t inputs,
                               uint32_t bytes) {
  WeightFormat f;
  f.code = code, f.scale = scale, f.code_bits = uint8_t(bits), f.zero_point = uint8_t(zero);
  f.group_size = group, f.block_inputs = inputs, f.block_bytes = bytes;
  return f;
}

inline WeightFormat float_format(CodeKind code) {
  WeightFormat f;
  f.code = code, f.code_bits = code == CodeKind::kF32 ? 32 : 16, f.block_bytes = code == CodeKind::kF32 ? 64 : 32;
  return f;
}

// Every format of FORMAT.md's table.
inline std::vector<NamedFormat> all_formats() {
  constexpr auto kU = CodeKind::kUnsigned;
  std::vector<NamedFormat> v = {
      {"F16 4", int_format(kU, ScaleKind::kF16, 4, 8, 32, 64, 576)},
      {"F16 5", int_format(kU, ScaleKind::kF16, 5, 16, 32, 64, 704)},
      {"F16 8", int_format(CodeKind::kInt8, ScaleKind::kF16, 8, 0, 32, 64, 1088)},
      {"F16Min 4", int_format(kU, ScaleKind::kF16Min, 4, 0, 32, 64, 640)},
      {"F16Min 5", int_format(kU, ScaleKind::kF16Min, 5, 0, 32, 64, 768)},
      {"Super6Min 4", int_format(kU, ScaleKind::kSuper6Min, 4, 0, 32, 256, 2304)},
      {"Super6Min 5", int_format(kU, ScaleKind::kSuper6Min, 5, 0, 32, 256, 2816)},
      {"Super8 6", int_format(kU, ScaleKind::kSuper8, 6, 32, 16, 256, 3392)},
      {"F32", float_format(CodeKind::kF32)},
      {"F16", float_format(CodeKind::kF16)},
      {"BF16", float_format(CodeKind::kBF16)},
  };
  WeightFormat table = int_format(kU, ScaleKind::kF16, 4, 0, 32, 64, 576);
  const int8_t values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};  // as iq4_nl
  table.has_table = true;
  std::memcpy(table.table, values, 16);
  v.push_back({"F16 4 with table", table});
  return v;
}

// Exact for the halves made here.
inline float half_value(uint16_t h) {
  const int e = h >> 10 & 31, m = h & 1023;
  const float v = e == 0 ? std::ldexp(float(m), -24) : std::ldexp(float(m + 1024), e - 25);
  return h & 0x8000 ? -v : v;
}

class TestMatrix {
 public:
  // strips_per_chunk strips to a chunk; `gap` bytes between strips, as when another matrix's strips alternate.
  TestMatrix(const WeightFormat& f, uint32_t rows, uint32_t cols, uint32_t seed, uint32_t lanes = 16,
             uint32_t strips_per_chunk = 2, uint32_t gap = 0)
      : format_(f), rng_(seed), rows_(rows), cols_(cols), lanes_(lanes), per_chunk_(strips_per_chunk) {
    const uint32_t n_strips = (rows + lanes - 1) / lanes, n_blocks = (cols + f.block_inputs - 1) / f.block_inputs;
    strip_bytes_ = size_t(f.block_bytes) * lanes / 16 * n_blocks;
    stride_ = uint32_t(strip_bytes_) + gap;
    values_.assign(size_t(rows) * cols, 0.0f);
    bytes_.assign(size_t(n_strips + strips_per_chunk) * stride_, std::byte{0xa5});
    for (uint32_t s = 0; s < n_strips; ++s)
      for (uint32_t b = 0; b < n_blocks; ++b) fill_block(s, b);
    for (uint32_t s = 0; s < n_strips; s += strips_per_chunk) chunks_.push_back(bytes_.data() + size_t(s) * stride_);
  }

  Matrix view() const {
    Matrix m;
    m.format = &format_, m.rows = rows_, m.cols = cols_, m.chunks = chunks_.data();
    m.strips_per_chunk = per_chunk_, m.strip_stride = stride_;
    return m;
  }
  GatherRow gather_row(uint32_t row) const {
    return {bytes_.data() + size_t(row / lanes_) * stride_, row % lanes_, lanes_};
  }
  float value(uint32_t row, uint32_t k) const { return values_[size_t(row) * cols_ + k]; }
  uint32_t rows() const { return rows_; }
  uint32_t cols() const { return cols_; }

 private:
  uint32_t draw(uint32_t n) { return uint32_t(rng_() % n); }
  // Between about 2^-9 and 2^-7: a strip's outputs stay near 1.
  uint16_t draw_half(bool sign) { return uint16_t((6 + draw(2)) << 10 | draw(1024) | (sign && draw(2) ? 0x8000 : 0)); }
  std::byte* at(std::byte* block, uint32_t section16, uint32_t index_bytes) {  // section offsets are for 16 lanes
    return block + size_t(section16) * lanes_ / 16 + index_bytes;
  }
  void put_half(std::byte* block, uint32_t section16, uint32_t index, uint16_t h) {
    std::memcpy(at(block, section16, 2 * index), &h, 2);
  }
  static void or_bits(std::byte* p, uint32_t bits) { *p |= std::byte(bits); }

  void fill_block(uint32_t strip, uint32_t block_index) {
    const WeightFormat& f = format_;
    const uint32_t L = lanes_;
    std::byte* block = bytes_.data() + size_t(strip) * stride_ + size_t(block_index) * f.block_bytes * L / 16;
    std::memset(block, 0, size_t(f.block_bytes) * L / 16);
    for (uint32_t r = 0; r < L; ++r) {
      const uint32_t row = strip * L + r;
      if (f.scale == ScaleKind::kNone) {
        if (row < rows_) put_float(block, row, block_index, r);
        continue;
      }
      // The numbers of this row in this block.
      const uint32_t groups = f.block_inputs / 32;
      uint16_t d[8] = {}, m[8] = {};
      uint32_t sc[16] = {}, mn[8] = {};
      const bool is_super = f.scale == ScaleKind::kSuper6Min || f.scale == ScaleKind::kSuper8;
      for (uint32_t g = 0; g < groups; ++g) {
        d[g] = draw_half(false), m[g] = draw_half(true), sc[2 * g] = draw(256), sc[2 * g + 1] = draw(256);
        mn[g] = draw(64);
        if (f.scale == ScaleKind::kSuper6Min) sc[g] = draw(64);
      }
      if (row >= rows_) std::memset(d, 0, sizeof d), std::memset(m, 0, sizeof m), std::memset(sc, 0, sizeof sc);
      if (is_super) {
        if (d[0]) d[0] = uint16_t(d[0] - (5 << 10));  // sc multiplies it
        if (m[0]) m[0] = uint16_t((m[0] & 0x7fff) - (5 << 10));
      }
      if (!is_super) {
        for (uint32_t g = 0; g < 2; ++g) {
          const bool padding = block_index * 64 + 32 * g >= cols_;
          if (padding) d[g] = m[g] = 0;
          put_half(block, 0, g * L + r, d[g]);
          if (f.scale == ScaleKind::kF16Min) put_half(block, 64, g * L + r, m[g]);
        }
      } else {
        put_half(block, 0, r, d[0]);
        for (uint32_t g = 0; g < 8; ++g) {
          const uint32_t first = block_index * 256 + 32 * g;
          if (f.scale == ScaleKind::kSuper8) {
            for (uint32_t h = 0; h < 2; ++h) {
              if (first + 16 * h >= cols_) sc[2 * g + h] = 0;
              *at(block, 64, (2 * g + h) * L + r) = std::byte(sc[2 * g + h]);
            }
          } else {
            put_half(block, 32, r, m[0]);
            if (first >= cols_) sc[g] = mn[g] = 0;
            or_bits(at(block, 64, (g % 4) * L + r), (sc[g] & 15) << (g < 4 ? 0 : 4));
            or_bits(at(block, 128, (g % 4) * L + r), (mn[g] & 15) << (g < 4 ? 0 : 4));
            or_bits(at(block, 192, (g % 2) * L + r), sc[g] >> 4 << 2 * (g / 2));
            or_bits(at(block, 224, (g % 2) * L + r), mn[g] >> 4 << 2 * (g / 2));
          }
        }
      }
      const uint32_t head = f.scale == ScaleKind::kF16      ? 64
                            : f.scale == ScaleKind::kF16Min ? 128
                            : f.scale == ScaleKind::kSuper8 ? 320
                                                            : 256;
      for (uint32_t k = 0; k < f.block_inputs; ++k) {
        const uint32_t col = block_index * f.block_inputs + k, g = k / 32, in = k % 32;
        uint32_t code = draw(1u << f.code_bits);
        if (row >= rows_ || col >= cols_) code = f.zero_point;
        put_code(block, head, groups, k, r, code);
        if (row >= rows_ || col >= cols_) continue;
        const float q = f.has_table                 ? float(f.table[code])
                        : f.code == CodeKind::kInt8 ? float(int8_t(uint8_t(code)))
                                                    : float(int(code) - int(f.zero_point));
        float& w = values_[size_t(row) * cols_ + col];
        if (f.scale == ScaleKind::kF16) w = half_value(d[g]) * q;
        if (f.scale == ScaleKind::kF16Min) w = half_value(d[g]) * q + half_value(m[g]);
        if (f.scale == ScaleKind::kSuper8) w = half_value(d[0]) * float(int8_t(uint8_t(sc[2 * g + in / 16]))) * q;
        if (f.scale == ScaleKind::kSuper6Min) w = half_value(d[0]) * float(sc[g]) * q - half_value(m[0]) * float(mn[g]);
      }
    }
  }

  void put_code(std::byte* block, uint32_t head, uint32_t groups, uint32_t k, uint32_t r, uint32_t code) {
    const uint32_t g = k / 32, in = k % 32, i = in / 4, j = k % 4, line = 4 * lanes_, byte = 4 * r + j;
    if (format_.code_bits == 8) {
      *at(block, head, (8 * g + i) * line + byte) = std::byte(code);
      return;
    }
    or_bits(at(block, head, (4 * g + i % 4) * line + byte), (code & 15) << (in < 16 ? 0 : 4));
    const uint32_t high = head + groups * 256;
    if (format_.code_bits == 5) or_bits(at(block, high, g * line + byte), (code >> 4) << i);
    if (format_.code_bits == 6) or_bits(at(block, high, (2 * g + in / 16) * line + byte), (code >> 4) << (2 * (i % 4)));
  }

  void put_float(std::byte* block, uint32_t row, uint32_t k, uint32_t lane) {
    float& w = values_[size_t(row) * cols_ + k];
    if (format_.code == CodeKind::kF16) {
      const uint16_t h = draw_half(true);
      std::memcpy(block + 2 * lane, &h, 2);
      w = half_value(h);
      return;
    }
    w = (float(draw(20001)) - 10000.0f) / 1.0e5f;
    uint32_t bits;
    std::memcpy(&bits, &w, 4);
    if (format_.code == CodeKind::kBF16) {
      bits &= 0xffff0000;
      std::memcpy(&w, &bits, 4);
      const uint16_t high = uint16_t(bits >> 16);
      std::memcpy(block + 2 * lane, &high, 2);
    } else {
      std::memcpy(block + 4 * lane, &bits, 4);
    }
  }

  WeightFormat format_;
  std::mt19937 rng_;
  uint32_t rows_, cols_, lanes_, per_chunk_, stride_ = 0;
  size_t strip_bytes_ = 0;
  std::vector<std::byte> bytes_;
  std::vector<const std::byte*> chunks_;
  std::vector<float> values_;
};

}  // namespace sluice::test
