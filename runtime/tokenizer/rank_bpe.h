// SPDX-License-Identifier: Apache-2.0
// BPE by rank, one word at a time: join the adjacent pair of lowest rank, leftmost on ties, until none is left. Words
// begin as bytes (byte-level BPE) or as characters, where one that is no token falls back to its byte tokens.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "runtime/tokenizer/merge_queue.h"
#include "schema/model_generated.h"

namespace sluice {

class RankBpe {
 public:
  explicit RankBpe(const fb::Vocab& vocab) : vocab_(vocab) {}

  // Append the tokens of `word`. Bytes that the vocabulary lacks are left out. O(n log n).
  void encode_bytes(std::string_view word, std::vector<int32_t>& out);
  void encode_characters(std::string_view word, std::vector<int32_t>& out);  // valid UTF-8

  uint64_t n_pairs() const { return pairs_.n_pushed(); }  // considered so far: the measure of the work

 private:
  struct Symbol {
    uint32_t token, previous, next;
  };
  struct Pair {
    uint32_t rank, left, merge;
    bool after(const Pair& b) const { return rank != b.rank ? rank > b.rank : left > b.left; }
  };
  bool take_whole(std::string_view word, std::vector<int32_t>& out) const;
  void add(int32_t token);
  void consider(uint32_t left);
  void merge(std::vector<int32_t>& out);

  const fb::Vocab& vocab_;
  std::vector<Symbol> symbols_;
  MergeQueue<Pair> pairs_;
};

}  // namespace sluice
