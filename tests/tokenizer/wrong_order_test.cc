// SPDX-License-Identifier: Apache-2.0
// Opening a file checks that the look-up table stays inside the vocabulary, not that it is sorted. Whatever order it
// has, encoding ends and names tokens of the vocabulary only (a sanitizer sees what else it might touch).
#include <algorithm>
#include <random>

#include "small_vocab.h"
#include "support/catch.h"

namespace sluice {
namespace {

constexpr const char* kPieces[] = {"a", "b", "c", " ", "<s>", "<tool>", "<", "é"};

std::vector<SmallToken> tokens_of(fb::VocabKind kind) {
  std::vector<SmallToken> tokens = {{"<s>", fb::TokenType::Control},
                                    {"<unk>", fb::TokenType::Unknown},
                                    {"<tool>", fb::TokenType::UserDefined},
                                    {"<0x61>", fb::TokenType::Byte}};
  for (const char* text : {"a", "b", "c", "ab", "bc", "abc", "cab", " ", " a"}) {
    tokens.push_back({text, fb::TokenType::Normal, float(tokens.size() % 5)});
  }
  if (kind != fb::VocabKind::ByteBpe) tokens.push_back({"\xE2\x96\x81", fb::TokenType::Normal, 1});
  return tokens;
}

// What the reader accepts: any tokens in any order, buckets that never descend and end with their number.
void shuffle_tables(fb::VocabT& vocab, std::mt19937& random) {
  const uint32_t n = uint32_t(vocab.types.size());
  if (random() % 2)
    std::shuffle(vocab.text_order.begin(), vocab.text_order.end(), random);
  else
    for (uint32_t& token : vocab.text_order) token = random() % n;
  if (random() % 2) return;
  for (uint32_t& bucket : vocab.text_buckets) bucket = random() % (n + 1);
  vocab.text_buckets.back() = n;
  std::sort(vocab.text_buckets.begin(), vocab.text_buckets.end());
}

}  // namespace

TEST_CASE("a look-up table in any order gives tokens of the vocabulary and nothing else", "[tokenizer]") {
  std::mt19937 random(11);
  struct Case {
    fb::VocabKind kind;
    bool merges;
  };
  for (const auto& [kind, merges] :
       {Case{fb::VocabKind::ByteBpe, true}, Case{fb::VocabKind::SentencePieceBpe, true},
        Case{fb::VocabKind::SentencePieceBpe, false}, Case{fb::VocabKind::Unigram, false}}) {
    size_t n_different = 0;
    for (int k = 0; k < 200; ++k) {
      std::vector<std::pair<std::string, std::string>> joins;
      if (merges) joins = {{"a", "b"}, {"ab", "c"}};
      SmallVocab v(kind, tokens_of(kind), joins);
      v.t.ignore_merges = random() % 2;
      std::string text;
      for (int i = 0; i < 40; ++i) text += kPieces[random() % std::size(kPieces)];
      const Tokenizer::Encode options{true, random() % 2 == 0};
      const std::vector<int32_t> right = encode(v.open(), text, options);
      shuffle_tables(v.t, random);
      const Tokenizer tokenizer = v.open();
      const std::vector<int32_t> tokens = encode(tokenizer, text, options);
      for (const int32_t token : tokens) {
        if (token < 0 || token >= tokenizer.n_vocab()) FAIL("token " << token);
      }
      CHECK(tokenizer.find("<tool>") < tokenizer.n_vocab());
      n_different += tokens != right;
    }
    CHECK(n_different > 50);
  }
}

}  // namespace sluice
