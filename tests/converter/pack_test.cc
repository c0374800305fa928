// SPDX-License-Identifier: Apache-2.0
#include "converter/pack.h"

#include <bit>
#include <cstring>

#include "literal_decoder.h"
#include "schema/tile.h"
#include "support/catch.h"
#include "support/gguf_builder.h"

namespace sluice::test {

namespace {

constexpr uint32_t kTypes[] = {toy::kF32,  toy::kF16,  toy::kBF16, toy::kQ4_0, toy::kQ4_1, toy::kQ5_0,
                               toy::kQ5_1, toy::kQ8_0, toy::kQ4_K, toy::kQ5_K, toy::kQ6_K, toy::kIQ4_NL};

// Any bytes, but scales that are numbers: not-a-number has no defined payload after arithmetic.
std::string random_blocks(const BlockFormat& format, uint64_t n, Rng& rng) {
  std::string bytes;
  for (uint64_t i = 0; i < n / format.inputs * format.bytes; ++i) bytes.push_back(char(rng() & 255));
  auto* p = reinterpret_cast<uint8_t*>(bytes.data());
  for (uint64_t b = 0; b < n / format.inputs; ++b, p += format.bytes) {
    if (format.type == toy::kF32) {
      if ((p[3] & 0x7f) == 0x7f) p[3] &= 0xbf;
    } else if (format.type == toy::kBF16) {
      if ((p[1] & 0x7f) == 0x7f) p[1] &= 0xbf;
    } else {
      const uint32_t at = format.type == toy::kQ6_K ? 208 : 0;
      const bool has_minimum = format.type == toy::kQ4_1 || format.type == toy::kQ5_1 || format.type == toy::kQ4_K ||
                               format.type == toy::kQ5_K;
      for (uint32_t h = at; h <= at + (has_minimum ? 2 : 0); h += 2) {
        if ((p[h + 1] & 0x7c) == 0x7c) p[h + 1] &= 0xbf;
        if (rng() % 16 == 0) p[h] = 0, p[h + 1] = uint8_t(rng() % 2 ? 0x80 : 0);  // signed zeros
      }
    }
  }
  return bytes;
}

uint32_t bits(float f) { return std::bit_cast<uint32_t>(f); }

}  // namespace

TEST_CASE("every block format goes into the tile with every weight bit-equal", "[converter][pack]") {
  const uint32_t type = GENERATE(from_range(std::begin(kTypes), std::end(kTypes)));
  const BlockFormat& format = *find_block_format(type);
  const FormatSpec& native = *find_format(format.native);
  CAPTURE(format.name);
  // One block, an odd number of blocks (the tile's last block is half padding), many.
  for (const uint32_t blocks : {1u, 3u, 8u}) {
    const uint32_t cols = blocks * (format.inputs == 1 ? 7 : format.inputs);
    for (const uint32_t n_rows : {1u, 5u, 16u}) {
      for (const uint32_t lanes : {1u, 16u}) {
        if (n_rows > lanes) continue;
        Rng rng(type * 1000 + blocks * 100 + n_rows);
        const std::string source = random_blocks(format, uint64_t(n_rows) * cols, rng);
        const size_t row_bytes = source.size() / n_rows;
        const uint8_t* rows[16];
        for (uint32_t r = 0; r < n_rows; ++r) rows[r] = reinterpret_cast<const uint8_t*>(source.data()) + r * row_bytes;
        std::vector<std::byte> strip(strip_bytes(native, cols, lanes), std::byte{0xa5});
        pack_strip(format, native, cols, lanes, rows, n_rows, strip.data());
        std::vector<float> got(cols);
        for (uint32_t r = 0; r < n_rows; ++r) {
          dequantize_row(native, cols, lanes, r, strip.data(), got.data());
          const std::vector<float> expected = literal_weights(type, rows[r], cols);
          for (uint32_t c = 0; c < cols; ++c) {
            if (bits(got[c]) != bits(expected[c]))
              FAIL("row " << r << " column " << c << ": " << got[c] << " for " << expected[c]);
          }
        }
      }
    }
  }
}

TEST_CASE("padding rows and columns of a strip are the format's padding byte for byte", "[converter][pack]") {
  const uint32_t type = GENERATE(from_range(std::begin(kTypes), std::end(kTypes)));
  const BlockFormat& format = *find_block_format(type);
  const FormatSpec& native = *find_format(format.native);
  CAPTURE(format.name);
  const uint32_t cols = format.inputs;  // 32 of 64 inputs, or a whole block
  Rng rng(type);
  const std::string source = random_blocks(format, cols, rng);
  const auto* row = reinterpret_cast<const uint8_t*>(source.data());
  std::vector<std::byte> strip(strip_bytes(native, cols, 16), std::byte{0xa5});
  pack_strip(format, native, cols, 16, &row, 1, strip.data());
  // Overwriting the one real row with padding must give a block of nothing but padding.
  std::vector<std::byte> padding(native.block_bytes);
  clear_block(native, 16, padding.data());
  const uint32_t groups = native.block_inputs / 32;
  for (uint32_t k = 0; k < cols; ++k) put_code(native, 16, strip.data(), 0, k, native.zero_point);
  if (native.scale == fb::ScaleKind::F16 || native.scale == fb::ScaleKind::F16Min) {
    for (uint32_t g = 0; g < groups; ++g) put_d(native, 16, strip.data(), 0, g, 0);
  }
  if (native.scale == fb::ScaleKind::F16Min) {
    for (uint32_t g = 0; g < groups; ++g) put_m(native, 16, strip.data(), 0, g, 0);
  }
  if (native.scale == fb::ScaleKind::Super6Min || native.scale == fb::ScaleKind::Super8) {
    put_d(native, 16, strip.data(), 0, 0, 0);
    for (uint32_t s = 0; s < native.block_inputs / native.group_size; ++s) put_sc(native, 16, strip.data(), 0, s, 0);
  }
  if (native.scale == fb::ScaleKind::Super6Min) {
    put_m(native, 16, strip.data(), 0, 0, 0);
    for (uint32_t s = 0; s < 8; ++s) put_mn(native, 16, strip.data(), 0, s, 0);
  }
  CHECK(memcmp(strip.data(), padding.data(), padding.size()) == 0);
}

TEST_CASE("half and bfloat vectors widen to float32 without change", "[converter][pack]") {
  for (const uint32_t type : {uint32_t(toy::kF16), uint32_t(toy::kBF16), uint32_t(toy::kF32)}) {
    const BlockFormat& format = *find_block_format(type);
    Rng rng(type);
    const std::string source = random_blocks(format, 300, rng);
    std::vector<float> got(300);
    widen_floats(format, reinterpret_cast<const uint8_t*>(source.data()), 300, got.data());
    const auto expected = literal_weights(type, reinterpret_cast<const uint8_t*>(source.data()), 300);
    for (size_t i = 0; i < got.size(); ++i) CHECK(bits(got[i]) == bits(expected[i]));
  }
}

TEST_CASE("the table of GGUF types has each id once, and sizes that agree with the literal decoder", "[converter]") {
  CHECK(find_block_format(4) == nullptr);  // removed from GGUF
  CHECK(find_block_format(36) == nullptr);
  CHECK(find_block_format(0xffffffff) == nullptr);
  for (const uint32_t type : kTypes) {
    const BlockFormat* format = find_block_format(type);
    REQUIRE(format != nullptr);
    CHECK(literal_bytes(type, format->inputs) == format->bytes);
    REQUIRE(format->native != nullptr);
    CHECK(find_format(format->native) != nullptr);
  }
}

}  // namespace sluice::test
