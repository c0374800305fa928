// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/special_tokens.h"

#include <random>

#include "small_vocab.h"
#include "support/catch.h"

namespace sluice {
namespace {

SmallVocab marked_vocab(const std::vector<SmallToken>& special) {
  std::vector<SmallToken> tokens = {{"a"}, {"b"}, {"<"}, {">"}};
  tokens.insert(tokens.end(), special.begin(), special.end());
  return SmallVocab(fb::VocabKind::ByteBpe, tokens);
}

// The rule: every candidate in turn cuts all raw pieces that are left, left to right.
std::vector<Piece> naive(const SmallVocab& v, std::string_view text, const std::vector<std::string>& texts) {
  std::vector<Piece> pieces = {{text, -1}};
  for (uint32_t token : v.t.special) {
    std::vector<Piece> next;
    for (const Piece& piece : pieces) {
      std::string_view rest = piece.text;
      for (size_t at; piece.token < 0 && (at = rest.find(texts[token])) != rest.npos;) {
        if (at > 0) next.push_back({rest.substr(0, at), -1});
        next.push_back({rest.substr(at, texts[token].size()), int32_t(token)});
        rest.remove_prefix(at + texts[token].size());
      }
      if (piece.token >= 0 || !rest.empty()) next.push_back({rest, piece.token});
    }
    pieces = next;
  }
  return pieces;
}

}  // namespace

TEST_CASE("special tokens in a text are text unless they are to be parsed", "[tokenizer]") {
  SmallVocab v = marked_vocab({{"<a>", fb::TokenType::Control}, {"<b>", fb::TokenType::UserDefined}});
  Tokenizer t = v.open();
  int32_t a = v.id("a"), open = v.id("<"), close = v.id(">");
  CHECK(encode(t, "<a><b>") == std::vector<int32_t>{open, a, close, v.id("<b>")});
  CHECK(encode(t, "<a><b>", {false, true}) == std::vector<int32_t>{v.id("<a>"), v.id("<b>")});
}

TEST_CASE("the longest special token wins wherever it stands", "[tokenizer]") {
  SmallVocab v = marked_vocab({{"<a", fb::TokenType::Control}, {"aab", fb::TokenType::Control}});
  CHECK(encode(v.open(), "<aab", {false, true}) == std::vector<int32_t>{v.id("<"), v.id("aab")});
}

TEST_CASE("of overlapping special tokens of equal length the lower id wins", "[tokenizer]") {
  SmallVocab v = marked_vocab({{"ba", fb::TokenType::Control}, {"ab", fb::TokenType::Control}});
  CHECK(encode(v.open(), "aba", {false, true}) == std::vector<int32_t>{v.id("a"), v.id("ba")});
}

TEST_CASE("unknown tokens are cut like control tokens, unused and normal ones are not", "[tokenizer]") {
  SmallVocab v = marked_vocab({{"<>", fb::TokenType::Unknown}, {"ab", fb::TokenType::Unused}});
  CHECK(encode(v.open(), "ab<>", {false, true}) == std::vector<int32_t>{v.id("a"), v.id("b"), v.id("<>")});
  CHECK(v.open().find("ab") == v.id("ab"));
}

TEST_CASE("tokens that swallow white space take it from the text beside them", "[tokenizer]") {
  SmallVocab v(
      fb::VocabKind::ByteBpe,
      {{"a"}, {" "}, {"\n"}, {"<l>", fb::TokenType::Control}, {"<r>", fb::TokenType::Control}, {"\xC2"}, {"\xA0"}});
  v.t.strip_left = {3};
  v.t.strip_right = {4};
  Tokenizer t = v.open();
  const Tokenizer::Encode parse = {false, true};
  CHECK(encode(t, "a <l> a", parse) == std::vector<int32_t>{0, 3, 1, 0});
  CHECK(encode(t, "a <r> \n a", parse) == std::vector<int32_t>{0, 1, 4, 0});
  CHECK(encode(t, "<r> \t\n<l>", parse) == std::vector<int32_t>{4, 3});
  CHECK(encode(t, "<r>\u00A0a", parse) == std::vector<int32_t>{4, 5, 6, 0});
  CHECK(encode(t, " a ", parse) == std::vector<int32_t>{1, 0, 1});
}

TEST_CASE("cutting gives what the rule gives on random vocabularies and texts", "[tokenizer]") {
  std::mt19937 random(3);
  for (int round = 0; round < 400; ++round) {
    std::vector<SmallToken> special;
    for (int k = 0; k < 8; ++k) {
      std::string text;
      for (size_t n = 1 + random() % 5; n > 0; --n) text += "ab<"[random() % 3];
      bool known = false;
      for (const SmallToken& s : special) known = known || s.text == text;
      if (!known) special.push_back({text, random() % 3 ? fb::TokenType::Control : fb::TokenType::UserDefined});
    }
    SmallVocab v(fb::VocabKind::ByteBpe, special);
    const fb::Vocab* vocab = v.build();
    std::vector<std::string> texts;
    for (const SmallToken& s : special) texts.push_back(s.text);
    std::string text;
    for (size_t n = random() % 40; n > 0; --n) text += "ab<"[random() % 3];
    std::vector<Piece> got = SpecialTokens::of(*vocab, false).cut(*vocab, text);
    std::vector<Piece> wanted = text.empty() ? std::vector<Piece>{} : naive(v, text, texts);
    INFO(text);
    REQUIRE(got.size() == wanted.size());
    for (size_t k = 0; k < got.size(); ++k) {
      REQUIRE(got[k].text == wanted[k].text);
      REQUIRE(got[k].token == wanted[k].token);
    }
  }
}

}  // namespace sluice
