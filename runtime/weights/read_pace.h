// SPDX-License-Identifier: Apache-2.0
// A limit on bytes read a second: says when the next read may begin. Knows no clock of its own, so that tests are
// exact.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>

namespace sluice {

class ReadPace {
 public:
  using Clock = std::chrono::steady_clock;

  // bytes_per_s 0: no limit. Time in which nothing was read is made up for by at most `burst_bytes`.
  ReadPace(uint64_t bytes_per_s, uint64_t burst_bytes) : bytes_per_s_(bytes_per_s), burst_(time_of(burst_bytes)) {}

  Clock::time_point next() const { return next_; }
  void begin(Clock::time_point now, uint64_t bytes) {
    if (bytes_per_s_ > 0) next_ = std::max(next_, now - burst_) + time_of(bytes);
  }
  // What `bytes` take at this pace; nothing without a limit.
  Clock::duration time_of(uint64_t bytes) const {
    if (bytes_per_s_ == 0) return {};
    const std::chrono::duration<double> most = std::chrono::hours(24 * 365), time(double(bytes) / double(bytes_per_s_));
    return std::chrono::duration_cast<Clock::duration>(std::min(time, most));
  }

 private:
  const uint64_t bytes_per_s_;
  const Clock::duration burst_;
  Clock::time_point next_ = Clock::time_point::min();
};

}  // namespace sluice
