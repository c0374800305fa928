// SPDX-License-Identifier: Apache-2.0
#include "base/half.h"

#include <bit>
#include <cmath>
#include <limits>

#include "support/catch.h"

namespace sluice {

TEST_CASE("every half survives the way through float, and its value is the one of its fields") {
  int wrong_value = 0, wrong_way_back = 0;
  for (uint32_t h = 0; h < 0x10000; ++h) {
    const int exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
    const float f = f16_to_f32(uint16_t(h));
    if (exponent == 31) {
      wrong_value += mantissa == 0 ? !std::isinf(f) : !std::isnan(f);
    } else {
      const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      wrong_value += f != float(h & 0x8000 ? -magnitude : magnitude);
      wrong_value += std::signbit(f) != bool(h & 0x8000);
    }
    const bool nan = exponent == 31 && mantissa != 0;
    wrong_way_back += nan ? !std::isnan(f16_to_f32(f32_to_f16(f))) : f32_to_f16(f) != h;
  }
  CHECK(wrong_value == 0);
  CHECK(wrong_way_back == 0);
}

TEST_CASE("between two halves the nearer one is taken, in the middle the even one") {
  int wrong = 0;
  for (uint32_t h = 0; h < 0x7bff; ++h) {  // h and h + 1 are finite neighbours
    const float low = f16_to_f32(uint16_t(h)), high = f16_to_f32(uint16_t(h + 1));
    const float middle = (low + high) / 2;  // exact: one more bit
    wrong += f32_to_f16(middle) != (h % 2 == 0 ? h : h + 1);
    wrong += f32_to_f16(std::nextafter(middle, low)) != h;
    wrong += f32_to_f16(std::nextafter(middle, high)) != h + 1;
    wrong += f32_to_f16(-middle) != (0x8000 | (h % 2 == 0 ? h : h + 1));
  }
  CHECK(wrong == 0);
  CHECK(f32_to_f16(65519.996f) == 0x7bff);
  CHECK(f32_to_f16(65520.0f) == 0x7c00);
  CHECK(f32_to_f16(-std::numeric_limits<float>::infinity()) == 0xfc00);
  CHECK(f32_to_f16(std::numeric_limits<float>::denorm_min()) == 0);
}

TEST_CASE("bfloat16 is the upper half of a float, rounded to even") {
  CHECK(bf16_to_f32(0x3f80) == 1.0f);
  CHECK(f32_to_bf16(1.0f) == 0x3f80);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3f808000u)) == 0x3f80);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3f818000u)) == 0x3f82);
  CHECK(f32_to_bf16(std::bit_cast<float>(0x3f808001u)) == 0x3f81);
  CHECK(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
}

}  // namespace sluice
