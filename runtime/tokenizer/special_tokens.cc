// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/special_tokens.h"

#include <algorithm>

#include "runtime/tokenizer/vocab_lookup.h"

namespace sluice {

SpecialTokens SpecialTokens::of(const fb::Vocab& vocab, bool user_defined_only) {
  SpecialTokens s;
  s.user_defined_only = user_defined_only;
  if (!vocab.special()) return s;
  for (uint32_t token : *vocab.special()) {
    std::string_view text = token_text(vocab, token);
    if (text.empty() || (user_defined_only && token_type(vocab, token) != fb::TokenType::UserDefined)) continue;
    if (s.lengths.empty() || s.lengths.back() != text.size()) s.lengths.push_back(uint32_t(text.size()));
    s.first_bytes[uint8_t(text[0])] = true;
  }
  std::sort(s.lengths.rbegin(), s.lengths.rend());
  s.lengths.erase(std::unique(s.lengths.begin(), s.lengths.end()), s.lengths.end());
  return s;
}

int32_t SpecialTokens::find(const fb::Vocab& vocab, std::string_view text) const {
  for (uint32_t at = find_text(vocab, text); at < vocab.text_order()->size(); ++at) {
    uint32_t token = token_at(vocab, at);
    if (token_text(vocab, token) != text) break;
    fb::TokenType type = token_type(vocab, token);
    bool always = type == fb::TokenType::UserDefined;
    if (always || (!user_defined_only && (type == fb::TokenType::Control || type == fb::TokenType::Unknown))) {
      return int32_t(token);
    }
  }
  return -1;
}

std::vector<Piece> SpecialTokens::cut(const fb::Vocab& vocab, std::string_view text) const {
  std::vector<size_t> starts;
  if (!lengths.empty()) {
    for (size_t i = 0; i < text.size(); ++i) {
      if (first_bytes[uint8_t(text[i])]) starts.push_back(i);
    }
  }
  if (starts.empty()) return text.empty() ? std::vector<Piece>{} : std::vector<Piece>{{text, -1}};

  struct Match {
    size_t at;
    uint32_t length;
    int32_t token;
  };
  std::vector<Match> taken, found;
  std::vector<bool> used(text.size());
  for (uint32_t length : lengths) {
    found.clear();
    for (size_t at : starts) {
      if (at + length > text.size() || used[at] || used[at + length - 1]) continue;
      int32_t token = find(vocab, text.substr(at, length));
      if (token >= 0) found.push_back({at, length, token});
    }
    std::stable_sort(found.begin(), found.end(), [](const Match& a, const Match& b) { return a.token < b.token; });
    for (const Match& m : found) {
      // What was taken before is at least as long, so a match that overlaps it has an end inside it.
      if (used[m.at] || used[m.at + m.length - 1]) continue;
      std::fill_n(used.begin() + ptrdiff_t(m.at), m.length, true);
      taken.push_back(m);
    }
  }
  std::sort(taken.begin(), taken.end(), [](const Match& a, const Match& b) { return a.at < b.at; });

  std::vector<Piece> pieces;
  size_t at = 0;
  for (const Match& m : taken) {
    if (m.at > at) pieces.push_back({text.substr(at, m.at - at), -1});
    pieces.push_back({text.substr(m.at, m.length), m.token});
    at = m.at + m.length;
  }
  if (at < text.size()) pieces.push_back({text.substr(at), -1});
  return pieces;
}

}  // namespace sluice
