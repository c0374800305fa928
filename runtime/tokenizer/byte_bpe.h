// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE of one word at a time: join the adjacent pair of lowest rank, leftmost on ties, until none is left.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/merge_queue.h"
#include "schema/model_generated.h"

namespace sluice {

class ByteBpe {
 public:
  explicit ByteBpe(const fb::Vocab& vocab) : vocab_(vocab) {}

  // Appends the tokens of `word`. Bytes that the vocabulary lacks are left out. O(n log n).
  void encode(std::string_view word, std::vector<int32_t>& out);

 private:
  struct Symbol {
    uint32_t token, previous, next;
  };
  struct Pair {
    uint32_t rank, left, merge;
    bool after(const Pair& b) const { return rank != b.rank ? rank > b.rank : left > b.left; }
  };
  void consider(uint32_t left);
  void merge(std::string_view word, std::vector<int32_t>& out);

  const fb::Vocab& vocab_;
  std::vector<Symbol> symbols_;
  MergeQueue<Pair> pairs_;
};

}  // namespace sluice
