// SPDX-License-Identifier: Apache-2.0
#include "small_vocab.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "base/check.h"

namespace sluice {

SmallVocab::SmallVocab(fb::VocabKind kind, const std::vector<SmallToken>& tokens,
                       const std::vector<std::pair<std::string, std::string>>& merges) {
  t.kind = kind;
  t.pre = "gpt-2";
  t.offsets = {0};
  t.byte_tokens.assign(256, -1);
  t.text_buckets.assign(65537, 0);
  for (const SmallToken& token : tokens) {
    t.bytes.insert(t.bytes.end(), token.text.begin(), token.text.end());
    t.offsets.push_back(uint32_t(t.bytes.size()));
    t.types.push_back(uint8_t(token.type));
    t.scores.push_back(token.score);
  }
  auto text = [&](uint32_t k) { return std::string(tokens[k].text); };
  t.text_order.resize(tokens.size());
  std::iota(t.text_order.begin(), t.text_order.end(), 0u);
  std::stable_sort(t.text_order.begin(), t.text_order.end(), [&](uint32_t a, uint32_t b) { return text(a) < text(b); });
  for (uint32_t k : t.text_order) {
    std::string s = text(k) + std::string(2, '\0');
    ++t.text_buckets[size_t(uint8_t(s[0])) * 256 + uint8_t(s[1]) + 1];
  }
  std::partial_sum(t.text_buckets.begin(), t.text_buckets.end(), t.text_buckets.begin());

  struct Merge {
    uint32_t left, right, rank, result;
  };
  std::vector<Merge> sorted;
  for (const auto& [a, b] : merges) {
    sorted.push_back({uint32_t(id(a)), uint32_t(id(b)), uint32_t(sorted.size()), uint32_t(id(a + b))});
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Merge& a, const Merge& b) { return std::pair(a.left, a.right) < std::pair(b.left, b.right); });
  for (const Merge& m : sorted) {
    t.merge_left.push_back(m.left);
    t.merge_right.push_back(m.right);
    t.merge_rank.push_back(m.rank);
    t.merge_result.push_back(m.result);
  }
  for (uint32_t k = 0; k < tokens.size(); ++k) {
    fb::TokenType type = tokens[k].type;
    if (type == fb::TokenType::Control || type == fb::TokenType::UserDefined || type == fb::TokenType::Unknown) {
      t.special.push_back(k);
    }
    unsigned value = 0;
    if (type == fb::TokenType::Byte && sscanf(tokens[k].text.c_str(), "<0x%2X>", &value) == 1) {
      t.byte_tokens[value] = int32_t(k);
    }
    if (kind == fb::VocabKind::ByteBpe && type == fb::TokenType::Normal && tokens[k].text.size() == 1) {
      t.byte_tokens[uint8_t(tokens[k].text[0])] = int32_t(k);
    }
  }
  std::stable_sort(t.special.begin(), t.special.end(),
                   [&](uint32_t a, uint32_t b) { return text(a).size() > text(b).size(); });
}

const fb::Vocab* SmallVocab::build() {
  builder_.Clear();
  builder_.Finish(fb::Vocab::Pack(builder_, &t));
  return flatbuffers::GetRoot<fb::Vocab>(builder_.GetBufferPointer());
}

Tokenizer SmallVocab::open() {
  Result<Tokenizer> opened = Tokenizer::open(build());
  SLUICE_CHECK(opened.ok());
  return *opened;
}

int32_t SmallVocab::id(const std::string& text) const {
  for (size_t k = 0; k + 1 < t.offsets.size(); ++k) {
    auto begin = t.bytes.begin() + t.offsets[k], end = t.bytes.begin() + t.offsets[k + 1];
    if (std::string(begin, end) == text) return int32_t(k);
  }
  SLUICE_CHECK(!"no token of this text");
  return -1;
}

std::vector<int32_t> encode(const Tokenizer& tokenizer, std::string_view text, Tokenizer::Encode options) {
  std::vector<int32_t> tokens;
  tokenizer.encode(text, options, tokens);
  return tokens;
}

SmallVocab letters_vocab(const std::string& letters, const std::vector<std::pair<std::string, std::string>>& merges) {
  std::vector<SmallToken> tokens;
  for (char c : letters) tokens.push_back({std::string(1, c)});
  for (const auto& [a, b] : merges) tokens.push_back({a + b});
  return SmallVocab(fb::VocabKind::ByteBpe, tokens, merges);
}

}  // namespace sluice
