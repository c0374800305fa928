// SPDX-License-Identifier: Apache-2.0
// SentencePiece-style BPE of a stretch of text: join the adjacent pair whose text is the token of highest score,
// leftmost on ties; what is no token at the end becomes byte tokens, or one unknown token a run.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/merge_queue.h"
#include "schema/model_generated.h"

namespace sluice {

class SentencePiece {
 public:
  explicit SentencePiece(const fb::Vocab& vocab) : vocab_(vocab) {}

  // Appends the tokens of `text`: normalized, valid UTF-8. O(n log n).
  void encode(std::string_view text, std::vector<int32_t>& out);

  uint64_t n_pairs() const { return pairs_.n_pushed(); }  // considered so far: the measure of the work

 private:
  struct Symbol {
    uint32_t begin, size, previous, next;  // size 0: merged into its left neighbour
  };
  struct Pair {
    float score;
    uint32_t left, size;
    bool after(const Pair& b) const { return score != b.score ? score < b.score : left > b.left; }
  };
  void consider(uint32_t left);
  void merge(std::string_view text, std::vector<int32_t>& out);

  const fb::Vocab& vocab_;
  std::string_view text_;
  std::vector<Symbol> symbols_;
  MergeQueue<Pair> pairs_;
};

}  // namespace sluice
