// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/read_pace.h"

#include "support/catch.h"

namespace sluice {
namespace {

using Clock = ReadPace::Clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

const Clock::time_point kStart = Clock::time_point() + std::chrono::hours(10);

}  // namespace

TEST_CASE("reads that follow each other at once keep to the rate, whatever their sizes", "[runtime][pace]") {
  ReadPace pace(1000, 100);
  Clock::time_point now = kStart;
  uint64_t bytes = 0;
  for (uint64_t size : {100u, 1u, 50u, 100u, 7u, 100u, 100u, 42u}) {
    now = std::max(now, pace.next());
    pace.begin(now, size);
    bytes += size;
    CHECK(pace.next() - kStart >= milliseconds(bytes - 100));  // 100: the burst at the start
    CHECK(pace.next() - kStart <= milliseconds(bytes));
  }
}

TEST_CASE("a pause is made up for by the burst and no more", "[runtime][pace]") {
  ReadPace pace(1000, 100);
  pace.begin(kStart, 100);
  const Clock::time_point later = kStart + seconds(60);
  pace.begin(later, 100);
  CHECK(pace.next() == later);
  pace.begin(later, 100);
  CHECK(pace.next() == later + milliseconds(100));
}

TEST_CASE("a disk that is slower than the limit is never held back", "[runtime][pace]") {
  ReadPace pace(1000, 100);
  Clock::time_point now = kStart;
  for (int i = 0; i < 20; ++i, now += milliseconds(101)) {
    CHECK(pace.next() <= now);
    pace.begin(now, 100);
  }
}

TEST_CASE("without a limit nothing waits, and with the smallest one time stays finite", "[runtime][pace]") {
  ReadPace none(0, 100);
  none.begin(kStart, uint64_t{1} << 40);
  CHECK(none.next() <= kStart);
  CHECK(none.time_of(1 << 30) == Clock::duration::zero());
  ReadPace least(1, 1 << 20);
  least.begin(kStart, ~uint64_t{0});
  CHECK(least.next() > kStart);
  CHECK(least.time_of(~uint64_t{0}) == std::chrono::hours(24 * 365));
}

}  // namespace sluice
