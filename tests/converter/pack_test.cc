// SPDX-License-Identifier: Apache-2.0
#include "converter/pack.h"

#include <bit>
#include <cstring>

#include "schema/tile.h"
#include "slm_weights.h"
#include "support/catch.h"
#include "support/gguf_builder.h"

namespace sluice::test {

namespace {

// Where the f16 numbers of a block lie.
std::vector<uint32_t> halves_of(uint32_t type) {
  switch (type) {
    case toy::kQ2_K:
      return {80, 82};
    case toy::kQ3_K:
      return {108};
    case toy::kQ6_K:
      return {208};
    case toy::kTQ1_0:
      return {52};
    case toy::kTQ2_0:
      return {64};
    case toy::kQ4_1:
    case toy::kQ5_1:
    case toy::kQ4_K:
    case toy::kQ5_K:
      return {0, 2};
    case toy::kMXFP4:
    case toy::kNVFP4:
      return {};
    default:
      return {0};
  }
}

// Any bytes, but scales that are numbers: not-a-number has no defined payload after arithmetic.
std::string random_blocks(const BlockFormat& format, uint64_t n, Rng& rng) {
  std::string bytes;
  for (uint64_t i = 0; i < n / format.inputs * format.bytes; ++i) bytes.push_back(char(rng() & 255));
  auto* p = reinterpret_cast<uint8_t*>(bytes.data());
  for (uint64_t b = 0; b < n / format.inputs; ++b, p += format.bytes) {
    if (format.type == toy::kI8 || format.type == toy::kI16) continue;
    if (format.type == toy::kF32) {
      if ((p[3] & 0x7f) == 0x7f) p[3] &= 0xbf;
    } else if (format.type == toy::kBF16) {
      if ((p[1] & 0x7f) == 0x7f) p[1] &= 0xbf;
    } else if (format.type == toy::kMXFP4) {
      if (rng() % 4 == 0) p[0] = uint8_t(rng() % 4);  // denormal powers of two
    } else {
      for (const uint32_t h : halves_of(format.type)) {
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
  const uint32_t type = GENERATE(from_range(std::begin(toy::kExactTypes), std::end(toy::kExactTypes)));
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
          const std::vector<float> expected = source_weights(type, rows[r], cols);
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
  const uint32_t type = GENERATE(from_range(std::begin(toy::kExactTypes), std::end(toy::kExactTypes)));
  const BlockFormat& format = *find_block_format(type);
  const FormatSpec& native = *find_format(format.native);
  CAPTURE(format.name);
  const uint32_t cols = format.inputs;  // less than a block of the tile, one, or several
  Rng rng(type);
  const std::string source = random_blocks(format, cols, rng);
  const auto* row = reinterpret_cast<const uint8_t*>(source.data());
  std::vector<std::byte> strip(strip_bytes(native, cols, 16), std::byte{0xa5});
  pack_strip(format, native, cols, 16, &row, 1, strip.data());
  // Overwriting the one real row with padding must give a block of nothing but padding.
  using S = fb::ScaleKind;
  std::vector<std::byte> padding(native.block_bytes);
  clear_block(native, 16, padding.data());
  const S kind = native.scale;
  const uint32_t groups = native.group_size == 0 ? 0 : native.block_inputs / native.group_size;
  const bool super = native.block_inputs == 256;
  const bool minima = kind == S::F16Min || kind == S::Super6Min || kind == S::Super4Min;
  for (size_t at = 0; at < strip.size(); at += native.block_bytes) {
    std::byte* block = strip.data() + at;
    for (uint32_t k = 0; k < native.block_inputs; ++k) put_code(native, 16, block, 0, k, native.zero_point);
    for (uint32_t g = 0; g < (super ? 1 : groups); ++g) {
      put_d(native, 16, block, 0, g, 0);
      if (minima) put_m(native, 16, block, 0, g, 0);
    }
    for (uint32_t g = 0; super && g < groups; ++g) {
      put_sc(native, 16, block, 0, g, kind == S::Super6 ? -32 : 0);
      if (minima) put_mn(native, 16, block, 0, g, 0);
    }
    CHECK(memcmp(block, padding.data(), padding.size()) == 0);
  }
}

TEST_CASE("numbers widen to float32 without change, or rounded once where float32 is too short", "[converter][pack]") {
  for (const uint32_t type : {toy::kF16, toy::kBF16, toy::kF32, toy::kI8, toy::kI16, toy::kI32, toy::kI64}) {
    const BlockFormat& format = *find_block_format(type);
    Rng rng(type);
    const std::string source = random_blocks(format, 300, rng);
    std::vector<float> got(300);
    widen_numbers(format, reinterpret_cast<const uint8_t*>(source.data()), 300, got.data());
    const auto expected = source_weights(type, reinterpret_cast<const uint8_t*>(source.data()), 300);
    for (size_t i = 0; i < got.size(); ++i) CHECK(bits(got[i]) == bits(expected[i]));
  }
}

TEST_CASE("doubles are rounded to the nearest float32", "[converter][pack]") {
  const double doubles[] = {0.1, -1e-300, 1.0 + 0x1p-24, 1.0 + 0x1.8p-24, -0.0};
  float got[5];
  widen_numbers(*find_block_format(toy::kF64), reinterpret_cast<const uint8_t*>(doubles), 5, got);
  CHECK(bits(got[0]) == bits(0.1f));
  CHECK(bits(got[1]) == bits(-0.0f));
  CHECK(got[2] == 1.0f);
  CHECK(got[3] == 1.0f + 0x1p-23f);
  CHECK(bits(got[4]) == bits(-0.0f));
}

TEST_CASE("Q8_K keeps its codes and rounds its scales, and says so", "[converter][pack]") {
  const BlockFormat& format = *find_block_format(toy::kQ8_K);
  REQUIRE(format.remark != nullptr);
  const FormatSpec& native = *find_format(format.native);
  Rng rng(3);
  const std::string source = random_weights(toy::kQ8_K, 512, 0.1f, rng);
  const auto* row = reinterpret_cast<const uint8_t*>(source.data());
  std::vector<std::byte> strip(strip_bytes(native, 512, 1));
  pack_strip(format, native, 512, 1, &row, 1, strip.data());
  std::vector<float> got(512);
  dequantize_row(native, 512, 1, 0, strip.data(), got.data());
  const std::vector<float> exact = source_weights(toy::kQ8_K, row, 512);
  for (size_t i = 0; i < got.size(); ++i) {
    const float error = got[i] - exact[i];
    CHECK((error < 0 ? -error : error) <= 0x1p-11f * (exact[i] < 0 ? -exact[i] : exact[i]));  // half a unit of float16
  }
}

TEST_CASE("the table of GGUF types has each id once, and says what it does with every one", "[converter]") {
  CHECK(find_block_format(4) == nullptr);  // removed from GGUF
  CHECK(find_block_format(36) == nullptr);
  CHECK(find_block_format(0xffffffff) == nullptr);
  for (const uint32_t type : toy::kExactTypes) {
    const BlockFormat* format = find_block_format(type);
    REQUIRE(format != nullptr);
    CHECK(toy::block_of(type) == format->inputs);
    CHECK(format->remark == nullptr);
    REQUIRE(format->native != nullptr);
    CHECK(find_format(format->native) != nullptr);
  }
  for (uint32_t type = 0; type < 64; ++type) {
    const BlockFormat* format = find_block_format(type);
    if (format && !format->native) CHECK(format->remark != nullptr);
  }
}

}  // namespace sluice::test
