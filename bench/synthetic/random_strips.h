// SPDX-License-Identifier: Apache-2.0
// Random strips of one matrix as fast as a disk takes them: a few MiB of strips are made once, code by code, and every
// strip that is written is one of them with its codes exclusive-ored by a pattern of its own. So no two strips are
// equal (a disk that compresses or joins equal blocks gains nothing) and making one costs a copy. Knows blocks, no
// files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "schema/layout.h"

namespace sluice {

// The next of an endless row of random numbers (splitmix64).
uint64_t next_random(uint64_t& state);

class RandomStrips {
 public:
  // Of a matrix with `cols` inputs. Weights have the standard deviation 1 / sqrt(cols), so that what enters a product
  // with the variance 1 leaves it so.
  RandomStrips(const FormatSpec& spec, uint32_t cols, uint32_t lanes, uint64_t seed);

  uint32_t strip_bytes() const { return strip_bytes_; }

  // The strip that `draw` (any number) stands for; lanes from `n_rows` on are padding.
  void write(uint64_t draw, uint32_t n_rows, std::byte* out) const;

 private:
  void make(uint64_t& state, uint32_t n_rows, std::byte* out) const;

  FormatSpec spec_;
  uint32_t cols_, lanes_, block_bytes_, codes_, strip_bytes_;
  float step_, mean_;  // of a code, in weights; of all codes, in codes
  std::vector<std::byte> pool_;
};

}  // namespace sluice
