// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/unigram.h"

#include <map>
#include <random>

#include "charsmap_builder.h"
#include "runtime/tokenizer/normalize.h"
#include "runtime/tokenizer/unicode.h"
#include "small_vocab.h"
#include "support/catch.h"

namespace sluice {
namespace {

const std::string kSpaceText(kSpaceMark);

SmallVocab words_vocab() {
  SmallVocab v(fb::VocabKind::Unigram, {{"<unk>", fb::TokenType::Unknown},
                                        {"</s>", fb::TokenType::Control},
                                        {"a", fb::TokenType::Normal, -2},
                                        {"b", fb::TokenType::Normal, -3},
                                        {"ab", fb::TokenType::Normal, -4},
                                        {kSpaceText, fb::TokenType::Normal, -1},
                                        {kSpaceText + "a", fb::TokenType::Normal, -2.5},
                                        {"c", fb::TokenType::Unused, -1}});
  v.t.unk = 0;
  return v;
}

// Every cut into tokens and single unknown characters (-1), and the best sum of scores. Of equal cuts the one with the
// longest last token, and so on to the left.
struct Naive {
  const std::map<std::string, std::pair<int32_t, double>>& tokens;
  double unknown;

  std::pair<double, std::vector<int32_t>> best(const std::string& text) const {
    if (text.empty()) return {0, {}};
    std::pair<double, std::vector<int32_t>> found = {-1e300, {}};
    for (size_t start = 0; start < text.size(); ++start) {
      const std::string last = text.substr(start);
      const auto known = tokens.find(last);
      if (known == tokens.end() && utf8_length(last) != last.size()) continue;
      const auto [token, score] = known == tokens.end() ? std::pair(-1, unknown) : known->second;
      auto before = best(text.substr(0, start));
      if (before.first + score <= found.first) continue;
      before.second.push_back(token);
      found = {before.first + score, before.second};
    }
    return found;
  }
};

}  // namespace

TEST_CASE("the cut with the highest sum of scores wins, not the longest token", "[tokenizer]") {
  SmallVocab v = words_vocab();
  CHECK(encode(v.open(), "ab") == std::vector<int32_t>{v.id("ab")});
  v.t.scores[size_t(v.id("ab"))] = -6;
  CHECK(encode(v.open(), "ab") == std::vector<int32_t>{v.id("a"), v.id("b")});
}

TEST_CASE("a run of unknown characters is one unknown token, or its bytes where there are byte tokens", "[tokenizer]") {
  SmallVocab v = words_vocab();
  CHECK(encode(v.open(), "ax\u00E9zb") == std::vector<int32_t>{v.id("a"), 0, v.id("b")});
  CHECK(encode(v.open(), "xax") == std::vector<int32_t>{0, v.id("a"), 0});
  v.t.unk = -1;
  CHECK(encode(v.open(), "ax") == std::vector<int32_t>{v.id("a")});
  SmallVocab bytes(fb::VocabKind::Unigram, {{"a", fb::TokenType::Normal, -1},
                                            {"<0xC3>", fb::TokenType::Byte},
                                            {"<0xA9>", fb::TokenType::Byte},
                                            {"<unk>", fb::TokenType::Unknown}});
  bytes.t.unk = 3;
  CHECK(encode(bytes.open(), "\u00E9") == std::vector<int32_t>{1, 2});
  CHECK(encode(bytes.open(), "\u00E9x") == std::vector<int32_t>{3});
  CHECK(encode(bytes.open(),
               "\u00E9"
               "ax") == std::vector<int32_t>{1, 2, 0, 3});
}

TEST_CASE("control and unused tokens take no part in the cut", "[tokenizer]") {
  SmallVocab v = words_vocab();
  CHECK(encode(v.open(), "c") == std::vector<int32_t>{0});
  CHECK(encode(v.open(), "</s>a") == std::vector<int32_t>{0, v.id("a")});
  CHECK(encode(v.open(), "</s>a", {false, true}) == std::vector<int32_t>{1, v.id("a")});
}

TEST_CASE("Unigram texts are normalized first, each piece between special tokens for itself", "[tokenizer]") {
  SmallVocab v = words_vocab();
  v.t.add_space_prefix = true;
  v.t.collapse_spaces = true;
  v.t.charsmap = build_charsmap({{"\uFF41", "a"}, {"\u3000", " "}});
  Tokenizer t = v.open();
  CHECK(encode(t, "\u3000\uFF41  b ") == std::vector<int32_t>{v.id(kSpaceText + "a"), v.id(kSpaceText), v.id("b")});
  CHECK(encode(t, "a</s> a", {false, true}) == std::vector<int32_t>{v.id(kSpaceText + "a"), 1, v.id(kSpaceText + "a")});
  CHECK(encode(t, "  ").empty());
  CHECK(t.decode(encode(t, "a b"), false) == "a b");
}

TEST_CASE("Unigram gives the best of all cuts on random vocabularies and texts", "[tokenizer]") {
  std::mt19937 random(17);
  const std::string letters[] = {"a", "b", "\u00E9", "\U0001F601"};
  for (int vocab = 0; vocab < 60; ++vocab) {
    std::map<std::string, std::pair<int32_t, double>> known;
    std::vector<SmallToken> tokens = {{"<unk>", fb::TokenType::Unknown}};
    double least = 0;
    for (int k = 0; k < 14; ++k) {
      std::string s;
      for (size_t n = 1 + random() % 4; n > 0; --n) s += letters[random() % 4];
      const float score = -float(random() % 100'000) / 7919;  // ties are unlikely
      if (!known.emplace(s, std::pair(int32_t(tokens.size()), double(score))).second) continue;
      tokens.push_back({s, fb::TokenType::Normal, score});
      least = std::min(least, double(score));
    }
    SmallVocab v(fb::VocabKind::Unigram, tokens);
    v.t.unk = 0;
    Tokenizer tokenizer = v.open();
    for (int k = 0; k < 40; ++k) {
      std::string text;
      for (size_t n = 1 + random() % 9; n > 0; --n) text += letters[random() % 4];
      std::vector<int32_t> wanted;
      for (int32_t token : Naive{known, least - 10}.best(text).second) {
        if (token >= 0 || wanted.empty() || wanted.back() != 0) wanted.push_back(std::max(token, 0));
      }
      INFO(text);
      REQUIRE(encode(tokenizer, text) == wanted);
    }
  }
}

TEST_CASE("Unigram's work grows with the text, not with its square", "[tokenizer]") {
  std::vector<SmallToken> tokens;
  for (size_t n = 1; n <= 64; ++n) tokens.push_back({std::string(n, 'a'), fb::TokenType::Normal, -float(n)});
  SmallVocab v(fb::VocabKind::Unigram, tokens);
  const fb::Vocab* vocab = v.build();
  for (size_t n : {1000, 100'000}) {
    Unigram unigram(*vocab, -100);
    std::vector<int32_t> out;
    unigram.encode(std::string(n, 'a'), out);
    CHECK(unigram.n_steps() <= n * 65);  // the longest token, and the byte after it
    CHECK(out.size() >= n / 64);
  }
}

}  // namespace sluice
