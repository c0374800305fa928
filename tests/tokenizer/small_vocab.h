// SPDX-License-Identifier: Apache-2.0
// Small literal vocabularies for tests and fuzzers, with the tables that a converter would write. What a test gets
// wrong ends the program.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/tokenizer/tokenizer.h"

namespace sluice {

struct SmallToken {
  std::string text;
  fb::TokenType type = fb::TokenType::Normal;
  float score = 0;
};

class SmallVocab {
 public:
  // Token k of the tables is tokens[k]. Merges join the texts of two tokens into a third one, first is best.
  SmallVocab(fb::VocabKind kind, const std::vector<SmallToken>& tokens,
             const std::vector<std::pair<std::string, std::string>>& merges = {});

  fb::VocabT t;  // change what a test needs, then build()
  const fb::Vocab* build();
  Tokenizer open();

  // Index of a token's text.
  int32_t id(const std::string& text) const;

 private:
  flatbuffers::FlatBufferBuilder builder_;
};

std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text, Tokenizer::Encode options = {});

// Tokens for each letter of "abc…", then the merges' results.
SmallVocab letters_vocab(const std::string& letters, const std::vector<std::pair<std::string, std::string>>& merges);

}  // namespace sluice
