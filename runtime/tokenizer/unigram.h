// SPDX-License-Identifier: Apache-2.0
// Unigram: of all ways to cut a text into tokens the one with the highest sum of scores (log probabilities), found in
// one pass from left to right. A character that is no token counts as unknown; runs of them become byte tokens, or one
// unknown token where the vocabulary has no byte tokens.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "schema/model_generated.h"

namespace sluice {

class Unigram {
 public:
  // The score of an unknown character: worse than every normal token. Looks at all scores once.
  static double unknown_score(const fb::Vocab& vocab);

  Unigram(const fb::Vocab& vocab, double unknown_score) : vocab_(vocab), unknown_score_(unknown_score) {}

  // Appends the tokens of `text`: normalized, valid UTF-8. Time: its length x the vocabulary's longest token at worst.
  void encode(std::string_view text, std::vector<int32_t>& out);

  uint64_t n_steps() const { return n_steps_; }  // looks at one byte of a token so far: the measure of the work

 private:
  // The best way to cut the text up to here: its score, and its last token with that token's start.
  struct Best {
    double score;
    uint32_t start;
    int32_t token;
  };
  void offer(uint32_t from, uint32_t to, int32_t token, double score);
  void extend(std::string_view text, uint32_t at);
  void emit(std::string_view text, std::vector<int32_t>& out);

  const fb::Vocab& vocab_;
  double unknown_score_;
  uint64_t n_steps_ = 0;
  std::vector<Best> best_;
  std::vector<uint32_t> ends_;
};

}  // namespace sluice
