// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan/pinning.h"

#include "schema/layout.h"

namespace sluice {
namespace {

using Pieces = std::vector<WindowShape::Piece>;

uint64_t total_bytes(const Pieces& pieces, bool first) {
  uint64_t total = 0;
  for (const auto& piece : pieces) total += piece.first == first ? piece.bytes : 0;
  return total;
}

// Of the pieces with this mark: as much of each phase as `bytes` are of all. What a phase's border leaves over is the
// next phase's.
void pin_share(const Pieces& pieces, bool first, uint64_t bytes, std::vector<bool>& pinned) {
  // In pages, so that the products stay below 2^64 for models of up to 8 TiB.
  const uint64_t budget = bytes / kSlmAlignment, total = total_bytes(pieces, first) / kSlmAlignment;
  uint64_t walked = 0, taken = 0;
  for (size_t begin = 0, end; begin < pieces.size(); begin = end) {
    for (end = begin; end < pieces.size() && pieces[end].phase == pieces[begin].phase; ++end)
      if (pieces[end].first == first) walked += pieces[end].bytes / kSlmAlignment;
    const uint64_t due = budget >= total ? walked : walked * budget / total;
    for (size_t i = begin; i < end && pieces[i].first == first; ++i) {
      const uint64_t pages = pieces[i].bytes / kSlmAlignment;
      if (taken + pages > due) break;
      taken += pages, pinned[i] = true;
    }
  }
}

}  // namespace

std::vector<bool> choose_pinned(const Pieces& pieces, uint64_t bytes) {
  std::vector<bool> pinned(pieces.size(), false);
  const uint64_t attention = total_bytes(pieces, true);
  pin_share(pieces, true, bytes, pinned);
  if (bytes > attention) pin_share(pieces, false, bytes - attention, pinned);
  return pinned;
}

}  // namespace sluice
