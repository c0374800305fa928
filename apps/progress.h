// SPDX-License-Identifier: Apache-2.0
// Progress on standard error: a moving bar on a terminal, one line elsewhere, nothing under --quiet.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace sluice {

enum class ProgressUnit { kBytes, kTokens };

class Progress {
 public:
  // A bar appears only after `delay_s`, so that short work stays silent. `pipe_line`, if any, is what a standard error
  // that is no terminal gets, at the first update.
  Progress(std::string label, ProgressUnit unit, double delay_s = 0.3, std::string pipe_line = {});
  Progress(const Progress&) = delete;
  ~Progress() { clear(); }

  // False when the user asked to stop.
  bool update(uint64_t done, uint64_t total);
  void clear();
  double seconds() const;

 private:
  using Clock = std::chrono::steady_clock;
  void draw(uint64_t done, uint64_t total);

  std::string label_, pipe_line_;
  ProgressUnit unit_;
  double delay_s_;
  bool drawn_ = false;
  Clock::time_point begin_ = Clock::now(), last_{};
};

// The callback form of sluice.h: `progress` is a Progress.
inline bool progress_callback(void* progress, uint64_t done, uint64_t total) {
  return static_cast<Progress*>(progress)->update(done, total);
}

}  // namespace sluice
