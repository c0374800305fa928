// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/rank_bpe.h"

#include <random>

#include "runtime/tokenizer/unicode.h"
#include "small_vocab.h"
#include "support/catch.h"

namespace sluice {
namespace {

// The rule itself, in quadratic time: join the pair of lowest rank, leftmost on ties, until none is left.
std::vector<int32_t> naive(const SmallVocab& v, const std::string& word) {
  std::vector<int32_t> s;
  for (char c : word) s.push_back(v.t.byte_tokens[uint8_t(c)]);
  for (;;) {
    size_t best = 0, at = 0;
    uint32_t rank = ~0u;
    for (size_t i = 0; i + 1 < s.size(); ++i) {
      for (size_t k = 0; k < v.t.merge_left.size(); ++k) {
        bool fits = int32_t(v.t.merge_left[k]) == s[i] && int32_t(v.t.merge_right[k]) == s[i + 1];
        if (fits && v.t.merge_rank[k] < rank) rank = v.t.merge_rank[k], best = k, at = i;
      }
    }
    if (rank == ~0u) break;
    s[at] = int32_t(v.t.merge_result[best]);
    s.erase(s.begin() + ptrdiff_t(at) + 1);
  }
  s.erase(std::remove(s.begin(), s.end(), -1), s.end());
  return s;
}

}  // namespace

TEST_CASE("the merge of lowest rank wins over an earlier one in the text", "[tokenizer]") {
  SmallVocab v = letters_vocab("abc", {{"b", "c"}, {"a", "b"}});
  CHECK(encode(v.open(), "abc") == std::vector<int32_t>{v.id("a"), v.id("bc")});
}

TEST_CASE("of equal merges the leftmost one goes first", "[tokenizer]") {
  SmallVocab v = letters_vocab("a", {{"a", "a"}});
  CHECK(encode(v.open(), "aaa") == std::vector<int32_t>{v.id("aa"), v.id("a")});
}

TEST_CASE("merges build on merges", "[tokenizer]") {
  SmallVocab v = letters_vocab("lower", {{"l", "o"}, {"e", "r"}, {"lo", "w"}, {"low", "er"}});
  CHECK(encode(v.open(), "lower") == std::vector<int32_t>{v.id("lower")});
}

TEST_CASE("bytes that the vocabulary lacks are left out and nothing merges across them", "[tokenizer]") {
  SmallVocab v = letters_vocab("ab", {{"a", "b"}});
  CHECK(encode(v.open(), "axb") == std::vector<int32_t>{v.id("a"), v.id("b")});
  CHECK(encode(v.open(), "x").empty());
  CHECK(encode(v.open(), "").empty());
}

TEST_CASE("ignore_merges takes a word that is a token whole, other words merge", "[tokenizer]") {
  SmallVocab v(fb::VocabKind::ByteBpe, {{"a"}, {"b"}, {"aba"}, {"ab"}, {" "}}, {{"a", "b"}});
  CHECK(encode(v.open(), "aba") == std::vector<int32_t>{v.id("ab"), v.id("a")});
  v.t.ignore_merges = true;
  CHECK(encode(v.open(), "aba") == std::vector<int32_t>{v.id("aba")});
  CHECK(encode(v.open(), "abab") == std::vector<int32_t>{v.id("ab"), v.id("ab")});
}

TEST_CASE("merging gives what the rule gives on random words", "[tokenizer]") {
  std::mt19937 random(7);
  for (int vocab = 0; vocab < 60; ++vocab) {
    std::vector<std::pair<std::string, std::string>> merges;
    std::vector<std::string> known = {"a", "b", "c"};
    while (merges.size() < 12) {
      std::string a = known[random() % known.size()], b = known[random() % known.size()];
      if (std::find(known.begin(), known.end(), a + b) != known.end()) continue;
      known.push_back(a + b);
      merges.push_back({a, b});
    }
    SmallVocab v = letters_vocab("abc", merges);
    Tokenizer tokenizer = v.open();
    for (int k = 0; k < 40; ++k) {
      std::string word;
      for (size_t n = 1 + random() % 30; n > 0; --n) word += char('a' + random() % (k % 4 == 0 ? 4 : 3));
      INFO(word);
      REQUIRE(encode(tokenizer, word) == naive(v, word));
    }
  }
}

TEST_CASE("a word of a million letters is merged", "[tokenizer]") {
  SmallVocab v = letters_vocab("a", {{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}});
  std::vector<int32_t> tokens = encode(v.open(), std::string(1 << 20, 'a'));
  CHECK(tokens == std::vector<int32_t>((1 << 20) / 8, v.id("aaaaaaaa")));
}

TEST_CASE("merging considers at most three pairs for each byte", "[tokenizer]") {
  SmallVocab v = letters_vocab("ab", {{"a", "a"}, {"aa", "aa"}, {"a", "b"}, {"aa", "ab"}, {"b", "b"}});
  const fb::Vocab* vocab = v.build();
  for (const std::string part : {"a", "aab", "ab", "ba"}) {
    std::string word;
    while (word.size() < 100'000) word += part;
    RankBpe bytes(*vocab), characters(*vocab);
    std::vector<int32_t> a, b;
    bytes.encode_bytes(word, a);
    characters.encode_characters(word, b);
    CHECK(a == b);
    CHECK(a.size() < word.size());
    CHECK(bytes.n_pairs() <= 3 * word.size());
    CHECK(characters.n_pairs() <= 3 * word.size());
  }
}

TEST_CASE("a vocabulary of characters merges by rank, with byte tokens for the characters it lacks", "[tokenizer]") {
  const std::string mark = "\xE2\x96\x81";
  SmallVocab v(fb::VocabKind::SentencePieceBpe,
               {{"a"},
                {"\u00E9"},
                {mark},
                {mark + "a"},
                {"a\u00E9"},
                {"\n"},
                {"\n\n"},
                {"<0xC3>", fb::TokenType::Byte},
                {"<0xA0>", fb::TokenType::Byte}},
               {{"a", "\u00E9"}, {mark, "a"}});
  v.t.pre = "gemma4";
  Tokenizer t = v.open();
  CHECK(encode(t, " a\u00E9") == std::vector<int32_t>{v.id(mark), v.id("a\u00E9")});
  CHECK(encode(t, " aa") == std::vector<int32_t>{v.id(mark + "a"), v.id("a")});
  CHECK(encode(t, "\u00E0") == std::vector<int32_t>{7, 8});
  CHECK(encode(t, "a\n\na\n\n\na") == std::vector<int32_t>{0, v.id("\n\n"), 0, 5, 5, 5, 0});
  CHECK(encode(t, "x").empty());
  CHECK(t.decode({3, 6, 7, 8}, false) == " a\n\n\u00E0");
  v.t.pre = "martian";
  CHECK(!Tokenizer::open(v.build()).ok());
}

TEST_CASE("bad bytes are encoded as the replacement character", "[tokenizer]") {
  SmallVocab v(fb::VocabKind::ByteBpe, {{"\xEF"}, {"\xBF"}, {"\xBD"}, {"\xFF"}});
  CHECK(encode(v.open(), "\xFF") == std::vector<int32_t>{0, 1, 2});
}

TEST_CASE("random bytes come back from every pre-tokenizer, bad ones as replacement characters", "[tokenizer]") {
  std::vector<SmallToken> tokens;
  for (int b = 0; b < 256; ++b) tokens.push_back({std::string(1, char(b))});
  SmallVocab v(fb::VocabKind::ByteBpe, tokens);
  std::mt19937 random(9);
  for (const char* pre : {"gpt-2", "smollm", "llama-bpe", "qwen2", "qwen35", "tekken", "gpt-4o", "default", "falcon",
                          "deepseek-coder", "deepseek-llm", "deepseek-v3", "minicpm5", "seed-coder"}) {
    v.t.pre = pre;
    Tokenizer tokenizer = v.open();
    for (int k = 0; k < 300; ++k) {
      std::string text, storage;
      for (size_t n = random() % 50; n > 0; --n) text += char(random() % 3 ? random() : ' ' + random() % 64);
      CHECK(tokenizer.decode(encode(tokenizer, text), false) == valid_utf8(text, storage));
    }
  }
}

TEST_CASE("an unknown pre-tokenizer is refused by its name", "[tokenizer]") {
  SmallVocab v = letters_vocab("a", {});
  v.t.pre = "martian";
  Result<Tokenizer> opened = Tokenizer::open(v.build());
  REQUIRE(!opened.ok());
  CHECK(opened.error().code == Code::kBadModel);
  CHECK(opened.error().message.find("martian") != std::string::npos);
}

TEST_CASE("an unknown kind of vocabulary is refused", "[tokenizer]") {
  SmallVocab v = letters_vocab("a", {});
  v.t.kind = fb::VocabKind(9);
  CHECK(!Tokenizer::open(v.build()).ok());
}

TEST_CASE("a vocabulary without tables is refused", "[tokenizer]") {
  SmallVocab v = letters_vocab("a", {});
  v.t.types.push_back(1);
  CHECK(!Tokenizer::open(v.build()).ok());
  CHECK(!Tokenizer::open(nullptr).ok());
}

}  // namespace sluice
