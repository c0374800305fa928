// SPDX-License-Identifier: Apache-2.0
// Reading the ready-made tables of a .slm vocabulary in place.
#pragma once
#include <cstdint>
#include <string_view>

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

uint32_t merge_count(const fb::Vocab& vocab);

// The merge that joins two tokens, or merge_count() if there is none.
uint32_t find_merge(const fb::Vocab& vocab, uint32_t left, uint32_t right);

}  // namespace sluice
