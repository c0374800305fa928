// SPDX-License-Identifier: Apache-2.0
// Matrices in the tile for tests: numbers chosen per weight, written byte by byte as schema/FORMAT.md words it, with
// the float value each weight must have kept beside. Independent of every backend.
#pragma once
#include <cmath>
#include <cstring>
#include <random>
#include <stdexcept>
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
      {"F16 2", int_format(kU, ScaleKind::kF16, 2, 1, 32, 64, 320)},
      {"F16 4", int_format(kU, ScaleKind::kF16, 4, 8, 32, 64, 576)},
      {"F16 5", int_format(kU, ScaleKind::kF16, 5, 16, 32, 64, 704)},
      {"F16 8", int_format(CodeKind::kInt8, ScaleKind::kF16, 8, 0, 32, 64, 1088)},
      {"F16Min 4", int_format(kU, ScaleKind::kF16Min, 4, 0, 32, 64, 640)},
      {"F16Min 5", int_format(kU, ScaleKind::kF16Min, 5, 0, 32, 64, 768)},
      {"Super6Min 4", int_format(kU, ScaleKind::kSuper6Min, 4, 0, 32, 256, 2304)},
      {"Super6Min 5", int_format(kU, ScaleKind::kSuper6Min, 5, 0, 32, 256, 2816)},
      {"Super4Min 2", int_format(kU, ScaleKind::kSuper4Min, 2, 0, 16, 256, 1344)},
      {"Super6 3", int_format(kU, ScaleKind::kSuper6, 3, 4, 16, 256, 1792)},
      {"Super8 6", int_format(kU, ScaleKind::kSuper8, 6, 32, 16, 256, 3392)},
      {"F32", float_format(CodeKind::kF32)},
      {"F16", float_format(CodeKind::kF16)},
      {"BF16", float_format(CodeKind::kBF16)},
  };
  const int8_t iq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
  const int8_t fp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const auto with_table = [&](const char* name, WeightFormat f, const int8_t(&values)[16]) {
    f.has_table = true;
    std::memcpy(f.table, values, 16);
    v.push_back({name, f});
  };
  with_table("F16 4 with table", int_format(kU, ScaleKind::kF16, 4, 0, 32, 64, 576), iq4);
  with_table("F16 by 16 4 with table", int_format(kU, ScaleKind::kF16, 4, 0, 16, 64, 640), fp4);
  with_table("Super6 4 with table", int_format(kU, ScaleKind::kSuper6, 4, 0, 32, 256, 2176), iq4);
  with_table("E8M0 4 with table", int_format(kU, ScaleKind::kE8M0, 4, 0, 32, 128, 1088), fp4);
  return v;
}

inline WeightFormat format_named(const std::string& name) {
  for (const NamedFormat& f : all_formats())
    if (f.name == name) return f.format;
  throw std::invalid_argument(name);
}

// Exact for the halves made here.
inline float half_value(uint16_t h) {
  const int e = h >> 10 & 31, m = h & 1023;
  const float v = e == 0 ? std::ldexp(float(m), -24) : std::ldexp(float(m + 1024), e - 25);
  return h & 0x8000 ? -v : v;
}

class TestMatrix {
 public:
  // strips_per_chunk strips to a chunk; `gap` bytes between strips, as when another matrix's strips alternate. `tiny`:
  // about half of the scales are denormal.
  TestMatrix(const WeightFormat& f, uint32_t rows, uint32_t cols, uint32_t seed, uint32_t lanes = 16,
             uint32_t strips_per_chunk = 2, uint32_t gap = 0, bool tiny = false)
      : format_(f), rng_(seed), tiny_(tiny), rows_(rows), cols_(cols), lanes_(lanes), per_chunk_(strips_per_chunk) {
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
  // Between about 2^-9 and 2^-7: a strip's outputs stay near 1. With the least exponent 1 of scales that are multiplied
  // once more: 2^-14 to 2^-12.
  uint16_t draw_half(bool sign, uint32_t least_exponent = 6) {
    const uint32_t exponent = tiny_ && draw(2) ? 0 : least_exponent + draw(2);
    return uint16_t(exponent << 10 | draw(1024) | (sign && draw(2) ? 0x8000 : 0));
  }
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
      // The numbers of this row in this block, one of each for a scale group; padding keeps zeros.
      const uint32_t n = f.block_inputs / f.group_size;
      const bool super = f.block_inputs == 256;
      const bool minima =
          f.scale == ScaleKind::kF16Min || f.scale == ScaleKind::kSuper6Min || f.scale == ScaleKind::kSuper4Min;
      float scale[16] = {}, minimum[16] = {};
      const bool real = row < rows_;
      if (real && super) {
        const uint16_t d = draw_half(false, 1), m = draw_half(false, 1);
        put_half(block, 0, r, d);
        if (minima) put_half(block, 32, r, m);
        for (uint32_t g = 0; g < n; ++g) {
          const bool used = block_index * 256 + g * f.group_size < cols_;
          const int sc = used                            ? draw_sub_scale()
                         : f.scale == ScaleKind::kSuper6 ? -32
                                                         : 0,
                    mn = used ? draw_minimum() : 0;
          put_sub_scale(block, n, g, r, sc, mn);
          scale[g] = half_value(d) * float(sc), minimum[g] = half_value(m) * float(mn);
        }
      }
      for (uint32_t g = 0; real && !super && g < n; ++g) {
        if (block_index * f.block_inputs + g * f.group_size >= cols_) continue;
        if (f.scale == ScaleKind::kE8M0) {
          const uint32_t e = tiny_ && draw(2) ? draw(3) : 116 + draw(4);
          *at(block, 0, g * L + r) = std::byte(e);
          scale[g] = std::ldexp(1.0f, int(e) - 128);
          continue;
        }
        const uint16_t d = draw_half(false), m = draw_half(true);
        put_half(block, 0, g * L + r, d);
        if (minima) put_half(block, 32 * n, g * L + r, m);
        scale[g] = half_value(d), minimum[g] = -half_value(m);
      }
      for (uint32_t k = 0; k < f.block_inputs; ++k) {
        const uint32_t col = block_index * f.block_inputs + k, g = k / f.group_size;
        uint32_t code = draw(1u << f.code_bits);
        if (!real || col >= cols_) code = f.zero_point;
        put_code(block, k, r, code);
        if (!real || col >= cols_) continue;
        const float q = f.has_table                 ? float(f.table[code])
                        : f.code == CodeKind::kInt8 ? float(int8_t(uint8_t(code)))
                                                    : float(int(code) - int(f.zero_point));
        float& w = values_[size_t(row) * cols_ + col];
        w = scale[g] * q;
        if (minima) w = w - minimum[g];
      }
    }
  }

  int draw_sub_scale() {
    switch (format_.scale) {
      case ScaleKind::kSuper8:
        return int(draw(256)) - 128;
      case ScaleKind::kSuper6:
        return int(draw(64)) - 32;
      default:
        return int(draw(format_.scale == ScaleKind::kSuper4Min ? 16 : 64));
    }
  }
  int draw_minimum() { return int(draw(format_.scale == ScaleKind::kSuper4Min ? 16 : 64)); }

  // A 6-bit number: its low four bits in one section, the other two in another.
  void put_six_bits(std::byte* block, uint32_t low, uint32_t high, uint32_t n, uint32_t g, uint32_t r, uint32_t v) {
    or_bits(at(block, low, (g % (n / 2)) * lanes_ + r), (v & 15) << (g < n / 2 ? 0 : 4));
    or_bits(at(block, high, (g % (n / 4)) * lanes_ + r), v >> 4 << 2 * (g / (n / 4)));
  }
  void put_sub_scale(std::byte* block, uint32_t n, uint32_t g, uint32_t r, int sc, int mn) {
    switch (format_.scale) {
      case ScaleKind::kSuper8:
        *at(block, 64, g * lanes_ + r) = std::byte(sc);
        return;
      case ScaleKind::kSuper4Min:
        *at(block, 64, g * lanes_ + r) = std::byte(sc | mn << 4);
        return;
      case ScaleKind::kSuper6:
        return n == 16 ? put_six_bits(block, 64, 192, n, g, r, uint32_t(sc + 32))
                       : put_six_bits(block, 32, 96, n, g, r, uint32_t(sc + 32));
      default:
        put_six_bits(block, 64, 192, n, g, r, uint32_t(sc));
        put_six_bits(block, 128, 224, n, g, r, uint32_t(mn));
    }
  }

  // What is not codes comes first.
  void put_code(std::byte* block, uint32_t k, uint32_t r, uint32_t code) {
    const uint32_t head = format_.block_bytes - format_.block_inputs * format_.code_bits * 2,
                   groups = format_.block_inputs / 32;
    const uint32_t g = k / 32, in = k % 32, i = in / 4, j = k % 4, line = 4 * lanes_, byte = 4 * r + j;
    const auto put_pair = [&](uint32_t section, uint32_t bits) {
      or_bits(at(block, section, (2 * g + in / 16) * line + byte), bits << (2 * (i % 4)));
    };
    const auto put_bit = [&](uint32_t section, uint32_t bit) {
      or_bits(at(block, section, g * line + byte), bit << i);
    };
    if (format_.code_bits == 8) {
      *at(block, head, (8 * g + i) * line + byte) = std::byte(code);
    } else if (format_.code_bits < 4) {
      put_pair(head, code & 3);
      if (format_.code_bits == 3) put_bit(head + groups * 128, code >> 2);
    } else {
      or_bits(at(block, head, (4 * g + i % 4) * line + byte), (code & 15) << (in < 16 ? 0 : 4));
      if (format_.code_bits == 5) put_bit(head + groups * 256, code >> 4);
      if (format_.code_bits == 6) put_pair(head + groups * 256, code >> 4);
    }
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
  bool tiny_;
  uint32_t rows_, cols_, lanes_, per_chunk_, stride_ = 0;
  size_t strip_bytes_ = 0;
  std::vector<std::byte> bytes_;
  std::vector<const std::byte*> chunks_;
  std::vector<float> values_;
};

}  // namespace sluice::test
