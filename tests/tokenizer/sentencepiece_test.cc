// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/sentencepiece.h"

#include <sys/mman.h>

#include <cstring>
#include <map>
#include <random>

#include "runtime/tokenizer/merge_queue.h"
#include "small_vocab.h"
#include "support/catch.h"

namespace sluice {
namespace {

const std::string kMark = "\xE2\x96\x81";

SmallVocab words_vocab() {
  return SmallVocab(fb::VocabKind::SentencePieceBpe, {
                                                         {"<unk>", fb::TokenType::Unknown},
                                                         {"<s>", fb::TokenType::Control},
                                                         {"<0x21>", fb::TokenType::Byte},
                                                         {"<0xC3>", fb::TokenType::Byte},
                                                         {"<0xA9>", fb::TokenType::Byte},
                                                         {kMark, fb::TokenType::Normal, -1},
                                                         {"a", fb::TokenType::Normal, -2},
                                                         {"b", fb::TokenType::Normal, -3},
                                                         {"ab", fb::TokenType::Normal, -5},
                                                         {kMark + "a", fb::TokenType::Normal, -4},
                                                         {"\n\n", fb::TokenType::UserDefined, -1000},
                                                     });
}

}  // namespace

TEST_CASE("the pair of highest score joins first", "[tokenizer]") {
  SmallVocab v = words_vocab();
  CHECK(encode(v.open(), " ab") == std::vector<int32_t>{v.id(kMark + "a"), v.id("b")});
  v.t.scores[size_t(v.id("ab"))] = -3.5f;
  CHECK(encode(v.open(), " ab") == std::vector<int32_t>{v.id(kMark), v.id("ab")});
}

TEST_CASE("what is no token falls back to its bytes, then to the unknown token", "[tokenizer]") {
  SmallVocab v = words_vocab();
  CHECK(encode(v.open(), "a!\xC3\xA9") ==
        std::vector<int32_t>{v.id("a"), v.id("<0x21>"), v.id("<0xC3>"), v.id("<0xA9>")});
  CHECK(encode(v.open(), "z").empty());
  v.t.unk = 0;
  CHECK(encode(v.open(), "z") == std::vector<int32_t>{0});
  CHECK(encode(v.open(), "zzaz\u00E9y") == std::vector<int32_t>{0, v.id("a"), 0});
}

TEST_CASE("a space is put before the text and after special tokens, and decoding takes it away", "[tokenizer]") {
  SmallVocab v = words_vocab();
  v.t.add_space_prefix = true;
  Tokenizer t = v.open();
  CHECK(encode(t, "a") == std::vector<int32_t>{v.id(kMark + "a")});
  CHECK(encode(t, "a<s>b", {false, true}) ==
        std::vector<int32_t>{v.id(kMark + "a"), v.id("<s>"), v.id(kMark), v.id("b")});
  CHECK(encode(t, "").empty());
  CHECK(t.strips_leading_space());
  CHECK(t.decode(encode(t, "a b"), false) == "a b");
  CHECK(t.decode(encode(t, " a"), false) == " a");
}

TEST_CASE("user-defined tokens are cut out before merging even when special tokens are not parsed", "[tokenizer]") {
  SmallVocab v = words_vocab();
  CHECK(encode(v.open(), "a\n\n<s>") ==
        std::vector<int32_t>{v.id("a"), v.id("\n\n")});  // <, s and > are no tokens and have no byte token
}

TEST_CASE("plain text never becomes a control, unknown or byte token, though their texts could be merged",
          "[tokenizer]") {
  SmallVocab v(fb::VocabKind::SentencePieceBpe, {
                                                    {"<unk>", fb::TokenType::Unknown},
                                                    {"<s>", fb::TokenType::Control},
                                                    {"<0x61>", fb::TokenType::Byte},
                                                    {"~", fb::TokenType::Control},
                                                    {"<", fb::TokenType::Normal, -1},
                                                    {"s", fb::TokenType::Normal, -1},
                                                    {">", fb::TokenType::Normal, -1},
                                                    {"<s", fb::TokenType::Normal, -2},
                                                    {"<unk", fb::TokenType::Normal, -2},
                                                    {"<0x61", fb::TokenType::Normal, -2},
                                                    {"s>", fb::TokenType::Control},
                                                    {"s>", fb::TokenType::Normal, -3},
                                                });
  v.t.unk = 0;
  Tokenizer t = v.open();
  CHECK(encode(t, "<s>") == std::vector<int32_t>{v.id("<s"), v.id(">")});
  CHECK(encode(t, "ss>") == std::vector<int32_t>{v.id("s"), 11});  // the second token of this text
  CHECK(encode(t, "<~s") == std::vector<int32_t>{v.id("<"), 0, v.id("s")});
  CHECK(encode(t, "<s>", {false, true}) == std::vector<int32_t>{1});
}

TEST_CASE("beginning and end are added where the model asks for it", "[tokenizer]") {
  SmallVocab v = words_vocab();
  v.t.bos = 1;
  v.t.eos = 0;
  CHECK(encode(v.open(), "a", {true, false}) == std::vector<int32_t>{v.id("a")});
  v.t.add_bos = true;
  CHECK(encode(v.open(), "a", {true, false}) == std::vector<int32_t>{1, v.id("a")});
  CHECK(encode(v.open(), "a", {false, false}) == std::vector<int32_t>{v.id("a")});
  v.t.add_eos = true;
  CHECK(encode(v.open(), "", {true, false}) == std::vector<int32_t>{1, 0});
  v.t.bos = -1;
  CHECK(encode(v.open(), "", {true, false}) == std::vector<int32_t>{0});
}

TEST_CASE("a file that wants no extra white space gets none", "[tokenizer]") {
  SmallVocab v = words_vocab();
  v.t.add_space_prefix = true;
  v.t.collapse_spaces = true;
  Tokenizer t = v.open();
  CHECK(encode(t, "  a   b ") == std::vector<int32_t>{v.id(kMark + "a"), v.id(kMark), v.id("b")});
  CHECK(encode(t, "   ").empty());
}

TEST_CASE("merging by score considers at most three pairs for each character", "[tokenizer]") {
  SmallVocab v(fb::VocabKind::SentencePieceBpe, {{"a", fb::TokenType::Normal, -1},
                                                 {"aa", fb::TokenType::Normal, -2},
                                                 {"aaaa", fb::TokenType::Normal, -3},
                                                 {"aaa", fb::TokenType::Normal, -4}});
  SentencePiece sentence_piece(*v.build());
  std::vector<int32_t> out;
  const size_t n = 100'000;
  sentence_piece.encode(std::string(n, 'a'), out);
  CHECK(out.size() == n / 4);
  CHECK(sentence_piece.n_pairs() <= 3 * n);
}

TEST_CASE("merging by score gives what the rule gives on random texts", "[tokenizer]") {
  std::mt19937 random(11);
  for (int vocab = 0; vocab < 60; ++vocab) {
    std::map<std::string, float> scores = {{"a", 0}, {"b", 0}, {"\xC3\xA9", 0}};
    std::vector<std::string> known = {"a", "b", "\xC3\xA9"};
    for (int k = 0; k < 14; ++k) {
      std::string s = known[random() % known.size()] + known[random() % known.size()];
      if (scores.emplace(s, -float(random() % 6)).second) known.push_back(s);  // few scores, so that ties are common
    }
    std::vector<SmallToken> tokens;
    for (const std::string& s : known) tokens.push_back({s, fb::TokenType::Normal, scores[s]});
    SmallVocab v(fb::VocabKind::SentencePieceBpe, tokens);
    Tokenizer tokenizer = v.open();
    for (int k = 0; k < 40; ++k) {
      std::vector<std::string> symbols;
      std::string text;
      for (size_t n = 1 + random() % 25; n > 0; --n) {
        symbols.push_back(known[random() % 3]);
        text += symbols.back();
      }
      for (;;) {
        size_t at = symbols.size();
        float best = -1e9f;
        for (size_t i = 0; i + 1 < symbols.size(); ++i) {
          auto it = scores.find(symbols[i] + symbols[i + 1]);
          if (it != scores.end() && it->second > best) best = it->second, at = i;
        }
        if (at == symbols.size()) break;
        symbols[at] += symbols[at + 1];
        symbols.erase(symbols.begin() + ptrdiff_t(at) + 1);
      }
      std::vector<int32_t> wanted;
      for (const std::string& s : symbols) wanted.push_back(v.id(s));
      INFO(text);
      REQUIRE(encode(tokenizer, text) == wanted);
    }
  }
}

TEST_CASE("a text is merged in stretches that end where a character ends", "[tokenizer]") {
  // Zeros that take no memory; one character in the way.
  constexpr size_t kSize = kMaxMergeBytes + 4096;
  void* const zeros = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(zeros != MAP_FAILED);
  char* const bytes = static_cast<char*>(zeros);
  std::string_view text(bytes, kMaxMergeBytes);
  CHECK(take_stretch(text).size() == kMaxMergeBytes);
  CHECK(text.empty());
  text = std::string_view(bytes, kMaxMergeBytes + 1);
  CHECK(take_stretch(text).size() == kMaxMergeBytes);
  CHECK(text.size() == 1);
  memcpy(bytes + kMaxMergeBytes - 2, "\xE2\x96\x81", 3);
  text = std::string_view(bytes, kMaxMergeBytes + 1);
  CHECK(take_stretch(text).size() == kMaxMergeBytes - 2);
  CHECK(text.size() == 3);
  munmap(zeros, kSize);
}

}  // namespace sluice
