// SPDX-License-Identifier: Apache-2.0
// Reading the ready-made tables of a .slm vocabulary in place.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "schema/model_generated.h"

namespace sluice {

inline std::string_view token_text(const fb::Vocab& vocab, uint32_t token) {
  const uint32_t* offsets = vocab.offsets()->data();
  return {reinterpret_cast<const char*>(vocab.bytes()->data()) + offsets[token], offsets[token + 1] - offsets[token]};
}

inline fb::TokenType token_type(const fb::Vocab& vocab, uint32_t token) {
  return fb::TokenType(vocab.types()->Get(token));
}

// Place in text_order of the first token with this text, or the number of tokens if there is none. Tokens of equal text
// follow each other, lowest id first.
uint32_t find_text(const fb::Vocab& vocab, std::string_view text);

// The token of that place.
inline uint32_t token_at(const fb::Vocab& vocab, uint32_t place) { return vocab.text_order()->Get(place); }

// The first token with this text that plain text may become, -1 if there is none: control tokens, the unknown token and
// byte tokens have texts too, but stand for something else.
int32_t find_plain(const fb::Vocab& vocab, std::string_view text);

// Appends what stands for text without a token: its byte tokens, or one unknown token where the vocabulary lacks any of
// them.
void append_unknown(const fb::Vocab& vocab, std::string_view run, std::vector<int32_t>& out);

// The tokens whose texts begin with a prefix that grows byte by byte.
class PrefixWalk {
 public:
  explicit PrefixWalk(const fb::Vocab& vocab) : vocab_(vocab), high_(vocab.text_order()->size()) {}
  // Lengthens the prefix; false if no token begins with it.
  bool extend(uint8_t byte);
  // The first token whose text is exactly the prefix, -1 if there is none.
  int32_t token() const;

 private:
  // Place in [low_, high_) of the first token whose byte behind the prefix is at least this.
  uint32_t place_of(uint32_t byte) const;

  const fb::Vocab& vocab_;
  uint32_t low_ = 0, high_;  // places in text_order
  size_t length_ = 0;        // of the prefix
};

uint32_t merge_count(const fb::Vocab& vocab);

// The merge that joins two tokens, or merge_count() if there is none.
uint32_t find_merge(const fb::Vocab& vocab, uint32_t left, uint32_t right);

}  // namespace sluice
