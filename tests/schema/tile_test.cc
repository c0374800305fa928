// SPDX-License-Identifier: Apache-2.0
// The tile against FORMAT.md's words: each field has bits of its own, together they fill their sections.
#include "schema/tile.h"

#include <bit>
#include <cmath>
#include <vector>

#include "base/half.h"
#include "support/catch.h"

namespace sluice {

namespace {

struct Case {
  const FormatSpec* spec;
  uint32_t lanes;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const FormatSpec& spec : known_formats()) {
    for (const uint32_t lanes : {1u, 16u}) all.push_back({&spec, lanes});
  }
  return all;
}

uint32_t all_ones(const FormatSpec& s) { return s.code_bits == 32 ? ~0u : (1u << s.code_bits) - 1; }

int bits_set(const std::vector<std::byte>& block) {
  int n = 0;
  for (std::byte b : block) n += std::popcount(uint8_t(b));
  return n;
}

}  // namespace

TEST_CASE("every bit of the code sections belongs to exactly one code") {
  for (const Case& c : cases()) {
    INFO(c.spec->name << " " << c.lanes);
    const BlockLayout at = block_layout(*c.spec, c.lanes);
    std::vector<std::byte> all(at.block_bytes);
    for (uint32_t lane = 0; lane < c.lanes; ++lane) {
      for (uint32_t k = 0; k < c.spec->block_inputs; ++k) {
        std::vector<std::byte> block(at.block_bytes);
        put_code(*c.spec, c.lanes, block.data(), lane, k, all_ones(*c.spec));
        REQUIRE(bits_set(block) == c.spec->code_bits);
        REQUIRE(get_code(*c.spec, c.lanes, block.data(), lane, k) == all_ones(*c.spec));
        bool shared = false;
        for (size_t i = 0; i < block.size(); ++i) {
          shared = shared || (all[i] & block[i]) != std::byte{0};
          all[i] |= block[i];
        }
        REQUIRE_FALSE(shared);
      }
    }
    CHECK(bits_set(all) == int(8 * (at.block_bytes - at.codes)));
    for (uint32_t i = 0; i < at.codes; ++i) REQUIRE(all[i] == std::byte{0});
  }
}

TEST_CASE("scales and minima are read back as they were put and do not touch each other") {
  for (const Case& c : cases()) {
    const FormatSpec& s = *c.spec;
    INFO(s.name << " " << c.lanes);
    const BlockLayout at = block_layout(s, c.lanes);
    std::vector<std::byte> block(at.block_bytes);
    using S = fb::ScaleKind;
    const bool super = s.block_inputs == 256;
    const bool minimum = s.scale == S::F16Min || s.scale == S::Super6Min || s.scale == S::Super4Min;
    const uint32_t n_groups = s.scale == S::None ? 0 : s.block_inputs / s.group_size;
    const uint32_t n_d = super ? 1 : n_groups, n_sub = super ? n_groups : 0;
    const int most_d = s.scale == S::E8M0 ? 256 : 65536;
    const int least = s.scale == S::Super8 ? -128 : s.scale == S::Super6 ? -32 : 0;
    const int n_sc = s.scale == S::Super8 ? 256 : s.scale == S::Super4Min ? 16 : 64;
    for (int pass = 0; pass < 2; ++pass) {  // first put, then compare
      int number = 1;
      const auto visit = [&](auto get, auto put, uint32_t lane, uint32_t i, int value) {
        if (pass == 0) {
          put(s, c.lanes, block.data(), lane, i, value);
        } else {
          REQUIRE(get(s, c.lanes, block.data(), lane, i) == value);
        }
      };
      for (uint32_t lane = 0; lane < c.lanes; ++lane) {
        for (uint32_t i = 0; i < n_d; ++i) visit(get_d, put_d, lane, i, (0x1234 + 77 * number++) % most_d);
        for (uint32_t i = 0; minimum && i < n_d; ++i) visit(get_m, put_m, lane, i, 0x2345 + 77 * number++);
        for (uint32_t i = 0; i < n_sub; ++i) {
          visit(get_sc, put_sc, lane, i, (37 * number) % n_sc + least);
          if (minimum) visit(get_mn, put_mn, lane, i, (41 * number) % n_sc);
          ++number;
        }
      }
    }
    for (uint32_t i = at.codes; i < at.block_bytes; ++i) REQUIRE(block[i] == std::byte{0});
  }
}

TEST_CASE("a block of padding dequantizes to zero in every format") {
  for (const Case& c : cases()) {
    std::vector<std::byte> block(block_layout(*c.spec, c.lanes).block_bytes, std::byte{0xa5});
    clear_block(*c.spec, c.lanes, block.data());
    std::vector<float> out(c.spec->block_inputs);
    dequantize_row(*c.spec, c.spec->block_inputs, c.lanes, c.lanes - 1, block.data(), out.data());
    for (float w : out) REQUIRE(w == 0.0f);
  }
}

TEST_CASE("weights are computed in the written order of operations") {
  const auto weight = [](const char* name, uint32_t k, uint32_t code, uint16_t d, uint16_t m, int sc, int mn) {
    const FormatSpec& s = *find_format(name);
    std::vector<std::byte> block(s.block_bytes);
    const bool super = s.block_inputs == 256;
    put_code(s, 16, block.data(), 3, k, code);
    put_d(s, 16, block.data(), 3, super ? 0 : k / s.group_size, d);
    if (m != 0) put_m(s, 16, block.data(), 3, super ? 0 : k / s.group_size, m);
    if (super) put_sc(s, 16, block.data(), 3, k / s.group_size, sc);
    if (mn != 0) put_mn(s, 16, block.data(), 3, k / s.group_size, mn);
    std::vector<float> out(s.block_inputs);
    dequantize_row(s, s.block_inputs, 16, 3, block.data(), out.data());
    return out[k];
  };
  const uint16_t d = 0x2e6d, m = 0xb123;  // odd mantissas: every rounding shows
  const float fd = f16_to_f32(d), fm = f16_to_f32(m);
  CHECK(weight("q4_0", 33, 15, d, 0, 0, 0) == fd * 7.0f);
  CHECK(weight("q4_0", 33, 0, d, 0, 0, 0) == fd * -8.0f);
  CHECK(std::signbit(weight("q4_0", 1, 8, 0x8000, 0, 0, 0)));  // -0 * 0
  CHECK(weight("q4_1", 63, 11, d, m, 0, 0) == fd * 11.0f + fm);
  CHECK(weight("q5_0", 40, 31, d, 0, 0, 0) == fd * 15.0f);
  CHECK(weight("q8_0", 5, uint8_t(-127), d, 0, 0, 0) == fd * -127.0f);
  CHECK(weight("iq4_nl", 5, 0, d, 0, 0, 0) == fd * -127.0f);
  CHECK(weight("q4_k", 200, 13, d, m, 61, 59) == (fd * 61.0f) * 13.0f - fm * 59.0f);
  CHECK(weight("q5_k", 255, 29, d, m, 63, 1) == (fd * 63.0f) * 29.0f - fm * 1.0f);
  CHECK(weight("q6_k", 100, 63, d, 0, -101, 0) == (fd * -101.0f) * 31.0f);
  CHECK(weight("q2_0", 63, 0, d, 0, 0, 0) == -fd);
  CHECK(weight("q2_0", 31, 3, d, 0, 0, 0) == fd * 2.0f);
  CHECK(weight("q2_k", 200, 3, d, m, 13, 7) == (fd * 13.0f) * 3.0f - fm * 7.0f);
  CHECK(weight("q3_k", 100, 7, d, 0, -31, 0) == (fd * -31.0f) * 3.0f);
  CHECK(std::signbit(weight("q3_k", 100, 4, d, 0, -1, 0)));  // -d * 0
  CHECK(weight("iq4_xs", 255, 15, d, 0, 31, 0) == (fd * 31.0f) * 113.0f);
  CHECK(weight("nvfp4", 17, 7, d, 0, 0, 0) == fd * 12.0f);
  CHECK(weight("mxfp4", 96, 15, 120, 0, 0, 0) == -12.0f / 256);
  CHECK(weight("mxfp4", 5, 1, 0, 0, 0, 0) == 0x1p-128f);  // a denormal scale
  CHECK(weight("mxfp4", 5, 2, 1, 0, 0, 0) == 0x1p-126f);
  CHECK(weight("mxfp4", 5, 1, 255, 0, 0, 0) == 0x1p127f);
  CHECK_FALSE(std::signbit(weight("mxfp4", 5, 8, 255, 0, 0, 0)));  // no negative zero, as in GGUF
}

}  // namespace sluice
