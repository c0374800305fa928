// SPDX-License-Identifier: Apache-2.0
// Special tokens (control, unknown and user-defined ones) are cut out of a text before anything else sees it. The rule:
// candidates by text length descending, then by id; each in turn takes every occurrence left to right in what is left.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "schema/model_generated.h"

namespace sluice {

// A stretch of raw text (token < 0) or a special token.
struct Piece {
  std::string_view text;
  int32_t token;
};

// What the search needs to know beforehand: small, whatever the number of special tokens.
struct SpecialTokens {
  std::vector<uint32_t> lengths;        // the different text lengths, descending
  std::array<bool, 256> first_bytes{};  // bytes with which one begins
  bool user_defined_only = false;

  static SpecialTokens of(const fb::Vocab& vocab, bool user_defined_only);

  // The special token of exactly this text, -1 if there is none.
  int32_t find(const fb::Vocab& vocab, std::string_view text) const;

  // Cuts `text`, in order and without gaps. Time: text length x number of different lengths, however many tokens there
  // are.
  std::vector<Piece> cut(const fb::Vocab& vocab, std::string_view text) const;
};

}  // namespace sluice
