// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/normalize.h"

#include <map>
#include <random>

#include "charsmap_builder.h"
#include "runtime/tokenizer/unicode.h"
#include "schema/layout.h"
#include "small_vocab.h"
#include "support/catch.h"

namespace sluice {
namespace {

const std::string kSpaceText(kSpaceMark);

struct Rules {
  std::map<std::string, std::string> replacements;
  bool collapse = false, prefix = false;
};

std::string normal(const Rules& rules, std::string_view text) {
  SmallVocab v(fb::VocabKind::Unigram, {{"a"}});
  if (!rules.replacements.empty()) v.t.charsmap = build_charsmap(rules.replacements);
  v.t.collapse_spaces = rules.collapse;
  Result<Normalizer> normalizer = Normalizer::of(*v.build());
  REQUIRE(normalizer.ok());
  std::string out = "left over";
  normalizer->normalize(text, rules.prefix, out);
  return out;
}

// "a_b" with the mark for every underscore.
std::string marked(std::string_view text) {
  std::string out;
  for (char c : text) c == '_' ? void(out += kSpaceText) : void(out += c);
  return out;
}

std::string_view text_of(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

TEST_CASE("every space becomes its mark, and one is put before the text", "[tokenizer]") {
  CHECK(normal({}, "a  b ") == marked("a__b_"));
  CHECK(normal({{}, false, true}, "a  b ") == marked("_a__b_"));
  CHECK(normal({{}, false, true}, " ") == marked("__"));
  CHECK(normal({{}, false, true}, "") == "");
  CHECK(normal({}, "a\n\u00A0\u3000") == "a\n\u00A0\u3000");
}

TEST_CASE("collapsing leaves one space between words and none at the ends", "[tokenizer]") {
  const Rules plain = {{}, true, false}, prefixed = {{}, true, true};
  CHECK(normal(plain, "  a   b  ") == marked("a_b"));
  CHECK(normal(prefixed, "  a   b  ") == marked("_a_b"));
  CHECK(normal(prefixed, "   ") == "");
  CHECK(normal(plain, "a" + kSpaceText + kSpaceText) == "a");  // SentencePiece cannot tell them from spaces at the end
}

TEST_CASE("the longest key of the character map is replaced, once", "[tokenizer]") {
  const Rules rules = {{{"a", "x"}, {"abc", "yz"}, {"b", "a"}, {"\u00A0", " "}, {"\u0301", ""}, {"\x01", ""}}};
  CHECK(normal(rules, "a") == "x");
  CHECK(normal(rules, "ab") == "xa");
  CHECK(normal(rules, "abcab") == "yzxa");
  CHECK(normal(rules, "abd") == "xad");
  CHECK(normal(rules, "e\u0301\u00A0e") == marked("e_e"));
  CHECK(normal(rules, "\x01") == "");
  CHECK(normal(rules, std::string_view("\0z", 2)) == std::string("\0z", 2));
}

TEST_CASE("spaces that the map makes collapse too", "[tokenizer]") {
  const Rules rules = {{{"\u3000", " "}, {"\t", " "}, {"\x02", ""}}, true, true};
  CHECK(normal(rules,
               "\u3000\ta\t \u3000"
               "b\u3000") == marked("_a_b"));
  CHECK(normal(rules, " \x02 a") == marked("_a"));
  CHECK(normal(rules, "\x02") == "");
}

TEST_CASE("maps of random keys replace what the naive search replaces", "[tokenizer]") {
  std::mt19937 random(5);
  const auto word = [&](size_t n) {
    std::string out;
    for (; n > 0; --n) out += "abc\xC3\xA9"[random() % 5];
    return out;
  };
  for (int round = 0; round < 100; ++round) {
    Rules rules;
    for (int k = 0; k < 12; ++k) rules.replacements[word(1 + random() % 4)] = word(random() % 3);
    const std::string text = word(random() % 40);
    std::string wanted, storage;
    for (size_t at = 0; at < text.size();) {
      size_t length = 0;
      for (const auto& [key, replacement] : rules.replacements) {
        if (key.size() > length && text.compare(at, key.size(), key) == 0) length = key.size();
      }
      if (length > 0) {
        wanted += rules.replacements[text.substr(at, length)];
      } else {
        length = std::max<size_t>(utf8_length(std::string_view(text).substr(at)), 1);
        wanted += text.substr(at, length);
      }
      at += length;
    }
    INFO(text);
    REQUIRE(normal(rules, text) == valid_utf8(wanted, storage));
  }
}

TEST_CASE("a map of random bytes is refused or stays inside its bytes", "[tokenizer]") {
  std::mt19937 random(6);
  int n_accepted = 0, n_found = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<uint8_t> bytes = build_charsmap({{"a", "x"}, {"ab", "y"}, {"b\x7F", "zz"}});
    for (size_t n = 1 + random() % 8; n > 0; --n) bytes[4 + random() % (bytes.size() - 4)] = uint8_t(random());
    const Result<Charsmap> map = Charsmap::of(text_of(bytes));
    if (!map.ok()) continue;
    ++n_accepted;
    for (const char* text : {"a", "ab", "abab", "b\x7F", "bb"}) {
      const Charsmap::Found found = map->find(text);
      CHECK(found.length <= strlen(text));
      CHECK(found.replacement.size() <= kMaxReplacementBytes);
      n_found += found.length > 0;
    }
  }
  CHECK(n_accepted > 500);
  CHECK(n_found > 500);
}

TEST_CASE("a double array that leads back to itself is left after 255 bytes", "[tokenizer]") {
  // Unit 0 leads to unit 'a', whose child 'a' is itself; its value lies at unit 0.
  std::vector<uint32_t> units(128);
  units['a'] = 'a' | uint32_t('a') << 10 | 1u << 8;
  std::vector<uint8_t> bytes(4 + units.size() * 4);
  const uint32_t n = uint32_t(units.size() * 4);
  memcpy(bytes.data(), &n, 4);
  memcpy(bytes.data() + 4, units.data(), n);
  bytes.push_back('x');
  bytes.push_back(0);
  const Result<Charsmap> map = Charsmap::of(text_of(bytes));
  REQUIRE(map.ok());
  CHECK(map->find(std::string(1000, 'a')).length == 255);
}

TEST_CASE("a map whose parts do not fit is refused", "[tokenizer]") {
  std::vector<uint8_t> good = build_charsmap({{"a", std::string(kMaxReplacementBytes, 'x')}});
  CHECK(Charsmap::of(text_of(good)).ok());
  CHECK(Charsmap::of("").ok());
  const auto refused = [](const std::vector<uint8_t>& bytes) { return !Charsmap::of(text_of(bytes)).ok(); };
  CHECK(refused(build_charsmap({{"a", std::string(kMaxReplacementBytes + 1, 'x')}})));
  CHECK(refused({1, 0, 0}));
  CHECK(refused({0, 0, 0, 0}));
  CHECK(refused({6, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(refused({8, 0, 0, 0, 0, 0, 0, 0}));
  CHECK(refused({0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}));
  std::vector<uint8_t> open_end = good;
  open_end.back() = 'x';
  CHECK(refused(open_end));
  std::vector<uint8_t> large(kMaxCharsmapBytes);
  large[0] = 4;
  CHECK(!refused(large));
  large.push_back(0);
  CHECK(refused(large));
}

}  // namespace sluice
