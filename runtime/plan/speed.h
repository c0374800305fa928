// SPDX-License-Identifier: Apache-2.0
// How fast a model decodes on a device, in three numbers that hold for every budget: what a token costs to compute when
// its weights are in memory, what the context costs on top of that, and how fast weights come from disk.
#pragma once
#include <algorithm>
#include <cstdint>

namespace sluice {

struct Speed {
  double token_s = 0;       // to compute one token with an empty context; 0: not known
  double context_GB_s = 0;  // at which the context is read on top of that; 0: it costs nothing
  double disk_GB_s = 0;     // of the reads that stream weights; 0: not known

  // Of computing, what the disk does not work beside: readers wait for cores and for room in the window. Measured at
  // two threads on two cores, for budgets that stream a tenth to a half of a model: 0.3 to 0.7.
  static constexpr double kNotHidden = 0.5;

  // Tokens a second when each reads so many bytes of context and streams so many of weights: the slower of computing
  // and the disk sets the pace. io_limit: bytes a second, 0: none. 0: not known.
  double decode_tok_s(uint64_t context_bytes, uint64_t streamed_bytes, uint64_t io_limit) const {
    if (token_s <= 0) return 0;
    const double computing = token_s + (context_GB_s > 0 ? double(context_bytes) / (context_GB_s * 1e9) : 0);
    double seconds = computing;
    if (streamed_bytes > 0) {
      if (disk_GB_s <= 0) return 0;
      const double streamed = double(streamed_bytes);
      seconds = std::max(seconds, streamed / (disk_GB_s * 1e9) + kNotHidden * computing);
      if (io_limit > 0) seconds = std::max(seconds, streamed / double(io_limit));
    }
    return 1 / seconds;
  }
};

}  // namespace sluice
