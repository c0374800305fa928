// SPDX-License-Identifier: Apache-2.0
#include "base/checked.h"

#include <limits>

#include "base/result.h"
#include "support/catch.h"

namespace sluice {

namespace {
constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
}

TEST_CASE("checked arithmetic is valid up to the largest number and not beyond") {
  CHECK((CheckedU64(kMax - 1) + CheckedU64(1)).at_most(kMax));
  CHECK_FALSE((CheckedU64(kMax) + CheckedU64(1)).valid());
  CHECK((CheckedU64(5) - CheckedU64(5)).at_most(0));
  CHECK_FALSE((CheckedU64(5) - CheckedU64(6)).valid());
  CHECK((CheckedU64(1ull << 32) * CheckedU64((1ull << 32) - 1)).valid());
  CHECK_FALSE((CheckedU64(1ull << 32) * CheckedU64(1ull << 32)).valid());
}

TEST_CASE("an overflow sticks through later operations that would fit") {
  const CheckedU64 broken = CheckedU64(kMax) + CheckedU64(2);
  CHECK_FALSE((broken - CheckedU64(1)).valid());
  CHECK_FALSE((CheckedU64(0) * broken).valid());
  CHECK_FALSE((CheckedU64(1) + broken * CheckedU64(0)).at_most(kMax));
}

TEST_CASE("narrow numbers overflow at their own width") {
  CHECK((Checked<uint32_t>(0x80000000u) + Checked<uint32_t>(0x7fffffffu)).valid());
  CHECK_FALSE((Checked<uint32_t>(0x80000000u) + Checked<uint32_t>(0x80000000u)).valid());
}

TEST_CASE("rounding up reaches the last multiple and notices when there is none") {
  CHECK(round_up(CheckedU64(0), 4096).at_most(0));
  CHECK(round_up(CheckedU64(1), 4096).value() == 4096);
  CHECK(round_up(CheckedU64(4096), 4096).value() == 4096);
  CHECK(round_up(CheckedU64(kMax - 4095), 4096).value() == kMax - 4095);
  CHECK_FALSE(round_up(CheckedU64(kMax - 4094), 4096).valid());
  CHECK(round_up(uint64_t{4097}, 4096) == 8192);
}

TEST_CASE("an error's text names place and offset where they are known") {
  CHECK(make_error(Code::kFailed, "f", 12, "%d of %s", 3, "x").text() == "f at byte 12: 3 of x");
  CHECK(make_error(Code::kFailed, "f", kNoOffset, "lost").text() == "f: lost");
  CHECK(make_error(Code::kFailed, "", kNoOffset, "lost").text() == "lost");
  CHECK(make_error(Code::kFailed, "", 0, "lost").text() == "byte 0: lost");
}

namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return make_error(Code::kUsage, "", kNoOffset, "%d is odd", n);
  return n / 2;
}
Result<int> quarter(int n) {
  SLUICE_TRY(const int h, half(n));
  SLUICE_TRY(const int q, half(h));
  return q;
}
Status is_multiple_of_four(int n) {
  SLUICE_DO(quarter(n));
  return {};
}

}  // namespace

TEST_CASE("the first error ends a chain of results") {
  CHECK(*quarter(8) == 2);
  CHECK(quarter(6).error().message == "3 is odd");
  CHECK(is_multiple_of_four(4).ok());
  CHECK(is_multiple_of_four(5).error().code == Code::kUsage);
}

}  // namespace sluice
