// SPDX-License-Identifier: Apache-2.0
// Which pieces of a model's weights stay in memory when not all of them can. Every byte pinned saves the same time, so
// what counts is that the disk never idles: attention first (small matrices, short reads), then the same share of every
// other matrix, its first pieces, so that the stream is even and a small window is enough.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/plan/shape.h"

namespace sluice {

// How weights are streamed: through n_slots slots, in the pieces of stream_pieces(…, limit_bytes).
struct WindowPlan {
  uint32_t n_slots = 0;
  uint64_t limit_bytes = 0, slot_bytes = 0;
  std::vector<bool> pinned;  // by piece

  uint64_t bytes() const { return n_slots * slot_bytes; }
};

// Pieces of at most `bytes` together.
std::vector<bool> choose_pinned(const std::vector<WindowShape::Piece>& pieces, uint64_t bytes);

}  // namespace sluice
