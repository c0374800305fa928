// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampling/sequence_breakers.h"

#include <algorithm>

namespace sluice {

SequenceBreakers::SequenceBreakers(std::vector<std::string> texts, AppendPiece append_piece)
    : texts_(std::move(texts)), append_piece_(std::move(append_piece)) {
  std::erase_if(texts_, [](const std::string& text) { return text.empty(); });
  for (const std::string& text : texts_) longest_ = std::max(longest_, text.size());
  tail_.reserve(longest_ + kUsualPiece);
  piece_.reserve(kUsualPiece);
}

void SequenceBreakers::follow(std::span<const int32_t> history) {
  if (history.size() < n_followed_) {
    n_followed_ = broken_ = 0;
    tail_.clear();
  }
  while (n_followed_ < history.size()) {
    const size_t before = tail_.size();
    append_piece_(history[n_followed_++], tail_);
    for (const std::string& text : texts_) {
      // What would end before this token's bytes was found with an earlier one.
      const size_t start = before - std::min(before, text.size() - 1);
      if (tail_.find(text, start) != std::string::npos) broken_ = n_followed_;
    }
    tail_.erase(0, tail_.size() - std::min(tail_.size(), longest_ - 1));
  }
}

bool SequenceBreakers::breaks(int32_t token) {
  piece_.clear();
  append_piece_(token, piece_);
  return std::any_of(texts_.begin(), texts_.end(),
                     [&](const std::string& text) { return piece_.find(text) != std::string::npos; });
}

}  // namespace sluice
