// SPDX-License-Identifier: Apache-2.0
// Every scanner against the regular expression that it stands for, run by PCRE2 over random texts of awkward
// characters.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "runtime/tokenizer/pretokenize.h"

#include <pcre2.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <random>
#include <string>

#include "runtime/tokenizer/unicode.h"
#include "schema/pretokenizers.h"
#include "support/catch.h"

namespace sluice {
namespace {

using Code = std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)>;
using MatchData = std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)>;

Code compile(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE at = 0;
  Code code(pcre2_compile(PCRE2_SPTR(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr),
            pcre2_code_free);
  INFO(pattern << " at " << at);
  REQUIRE(code);
  return code;
}

// Cuts every fragment at the matches of one pattern; what lies between matches is a fragment too.
std::vector<std::string> cut(const std::vector<std::string>& fragments, const pcre2_code* code) {
  MatchData data(pcre2_match_data_create_from_pattern(code, nullptr), pcre2_match_data_free);
  std::vector<std::string> out;
  for (const std::string& f : fragments) {
    size_t gap = 0, at = 0;
    while (at < f.size() && pcre2_match(code, PCRE2_SPTR(f.data()), f.size(), at, 0, data.get(), nullptr) > 0) {
      const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data.get());
      if (ends[0] > gap) out.push_back(f.substr(gap, ends[0] - gap));
      out.push_back(f.substr(ends[0], ends[1] - ends[0]));
      gap = at = ends[1];
    }
    if (gap < f.size()) out.push_back(f.substr(gap));
  }
  return out;
}

std::vector<std::string> words_of(int which, const std::string& text) {
  std::vector<size_t> ends;
  pretokenize(which, text, ends);
  std::vector<std::string> words;
  size_t begin = 0;
  for (size_t end : ends) {
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  CHECK(begin == text.size());
  return words;
}

// PCRE2 counts U+180E as white space, Unicode and the models' own tokenizers do not. This writes \s and \S of a pattern
// as what Unicode says: separators and the white-space controls.
std::string unicode_white_space(const std::string& pattern) {
  const std::string white = R"(\p{Z}\t-\r\x{85})";
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && (pattern[i + 1] == 's' || pattern[i + 1] == 'S')) {
      const bool is_not = pattern[++i] == 'S';
      out += in_class ? white : (is_not ? "[^" : "[") + white + "]";
      continue;
    }
    out += c;
    if (c == '\\') {
      out += pattern[++i];
    } else if (c == '[' || c == ']') {
      in_class = c == '[' || (in_class && c != ']');
    }
  }
  return out;
}

// Contractions fold ASCII letters only, as llama.cpp does: (?i:…) would also take U+017F for s.
const std::string kC = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const std::string kG = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
const std::string kSpaces = R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
const std::string kOthers = R"( ?[^\s\p{L}\p{N}]+[\r\n]*|)" + kSpaces;
const std::string kU = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])", kD = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
const std::string kPrefix = R"([^\r\n\p{L}\p{N}]?)";
const std::string kOthersSlash = R"( ?[^\s\p{L}\p{N}]+[\r\n/]*|)" + kSpaces;

// As deepseek-llm's pattern lists them, copied from its description rather than from the table under test.
const std::string kLetters =
    R"(A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293}\x{295}-\x{2AF})"
    R"(\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386}\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1})"
    R"(\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F}\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5})"
    R"(\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA}\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A})"
    R"(\x{1E00}-\x{1F15}\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B})"
    R"(\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4}\x{1FC6}-\x{1FCC})"
    R"(\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4}\x{1FF6}-\x{1FFC}\x{2102}\x{2107})"
    R"(\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124}\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134})"
    R"(\x{2139}\x{213C}-\x{213F}\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4})"
    R"(\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F}\x{A771}-\x{A787})"
    R"(\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17}\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A})"
    R"(\x{10400}-\x{1044F}\x{104B0}-\x{104D3}\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2})"
    R"(\x{118A0}-\x{118DF}\x{1E900}-\x{1E943})";

struct Row {
  const char* name;
  std::vector<std::string> patterns;
};

const Row kRows[] = {
    {"gpt-2", {kG}},
    {"smollm", {R"(\p{N})", kG}},
    {"llama-bpe", {kC + "|" + kPrefix + R"(\p{L}+|\p{N}{1,3}|)" + kOthers}},
    {"qwen2", {kC + "|" + kPrefix + R"(\p{L}+|\p{N}|)" + kOthers}},
    {"qwen35", {kC + "|" + kPrefix + R"([\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)" + kSpaces}},
    {"tekken", {kPrefix + kU + "*" + kD + "+|" + kPrefix + kU + "+" + kD + R"(*|\p{N}|)" + kOthersSlash}},
    {"gpt-4o",
     {kPrefix + kU + "*" + kD + "+(?:" + kC + ")?|" + kPrefix + kU + "+" + kD + "*(?:" + kC + R"()?|\p{N}{1,3}|)" +
      kOthersSlash}},
    {"default", {R"([\p{P}\$\+<=>\^~\|]+)", kG, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
    {"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", kG, "[0-9][0-9][0-9]"}},
    {"deepseek-coder",
     {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)", R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)",
      R"(\p{N})"}},
    {"deepseek-llm",
     {R"([\r\n])", R"(\s?[)" + kLetters + "]+",
      R"(\s?[!-/:-~\x{FF01}-\x{FF0F}\x{FF1A}-\x{FF5E}\x{2018}-\x{201F}\x{3000}-\x{3002}]+)", R"(\s+$)",
      R"([\x{4E00}-\x{9FA5}\x{800}-\x{4E00}\x{AC00}-\x{D7FF}]+)", R"(\p{N}+)"}},
    {"minicpm5", {R"(\p{N}{1,3})", kC + "|" + kPrefix + R"(\p{L}+|\p{N}+|)" + kOthers}},
    {"seed-coder", {kC + "|" + kPrefix + R"(\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|)" + kSpaces}},
    {"bailingmoe",
     {"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|" + kPrefix +
      R"(\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)"}},
    {"gemma4", {R"([^\n]+|[\n]+)"}},
    {"deepseek-v3",
     {R"(\p{N}{1,3})", R"([\x{4E00}-\x{9FA5}\x{3040}-\x{309F}\x{30A0}-\x{30FF}]+)",
      R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|)" +
          kSpaces}},
};

// clang-format off
const char* const kAlphabet[] = {
    "a", "b", "s", "t", "l", "S", "T", "L", "E", "r", "R", "e", "v", "d", "D", "m", "A", "Z", "'", "'", "'", "'s",
    "'ll", "'RE", " ", " ", " ", "  ", "\t", "\n", "\n", "\r", "\r\n", "\v", "\f", "0", "1", "9", "12", "1234", "/",
    "//", "!", "?", ".", ",", "-", "_", "$", "+", "<", "=", ">", "^", "~", "|", "`", "(", "\\", "\"", "#", "\x01",
    "\x7F", "\u0085", "\u00A0", "\u3000", "\u2003", "\u2028", "\u2029", "\u200B", "\u200D", "\uFEFF", "\u00E9",
    "\u00C9", "\u00DF", "\u017F", "\u01C5", "\u02B0", "\u0301", "\u0903", "\u20DD", "\u00BD", "\u0663", "\u2163",
    "\u00AA", "\u0E44", "\u0915", "\u093F", "\u4E00", "\u6211", "\u9FA5", "\u9FFC", "\u3042", "\u30A2", "\u3005",
    "\uAC00", "\uD7A3", "\u0800", "\u212A", "\u2018", "\u00AB", "\u20AC", "\u2581", "\uFF01", "\uE000", "\U0001F601",
    "\U0001F468\u200D\U0001F469", "\U00020000", "\U0001D400", "\U0001D7D8", "\U0010FFFF", "\uFF5E", "\u201F",
    "\u3001", "\u01BB", "\u0294", "\u10A0", "\u10D0", "\U0001E900", "\u180B",
};
// clang-format on

// Long texts of few letters reach deep runs, short texts of all letters reach odd neighbours.
std::vector<std::string> random_texts(unsigned seed, int n_texts, bool with_180e) {
  std::mt19937 random(seed);
  std::vector<std::string> texts = {"", " ", "  ", "\n", " \n ", "a ", "'s", "'S", "1234567", "   \n\n  x", "  1"};
  const size_t n_letters = std::size(kAlphabet);
  for (int k = 0; k < n_texts; ++k) {
    std::vector<std::string> letters;
    for (size_t n = 1 + random() % (k % 2 ? 6 : 40); n > 0; --n) letters.push_back(kAlphabet[random() % n_letters]);
    if (with_180e) letters.insert(letters.end(), {"\u180E", "\u00A0", "\u3000", "\u0301", " "});
    std::string text;
    for (size_t n = random() % 60; n > 0; --n) text += letters[random() % letters.size()];
    texts.push_back(text);
  }
  return texts;
}

void compare(const Row& row, const std::vector<std::string>& texts, std::string (*rewrite)(const std::string&)) {
  const int which = find_pretokenizer(row.name);
  INFO(row.name);
  REQUIRE(which >= 0);
  std::vector<Code> codes;
  for (const std::string& pattern : row.patterns) codes.push_back(compile(rewrite(pattern)));
  for (const std::string& text : texts) {
    std::vector<std::string> wanted = {text};
    for (const Code& code : codes) wanted = cut(wanted, code.get());
    if (text.empty()) wanted.clear();
    if (words_of(which, text) != wanted) {
      std::string hex;
      for (char c : text) hex += Catch::StringMaker<int>::convert(uint8_t(c)) + " ";
      FAIL(row.name << " cuts this text otherwise: " << hex);
    }
  }
}

}  // namespace

TEST_CASE("scanners cut random texts as their regular expressions do", "[tokenizer]") {
  const std::vector<std::string> texts = random_texts(1, 4000, false);
  for (const Row& row : kRows) compare(row, texts, [](const std::string& pattern) { return pattern; });
}

TEST_CASE("scanners take U+180E for what Unicode says it is: a format character, no space", "[tokenizer]") {
  const std::vector<std::string> texts = random_texts(2, 2000, true);
  for (const Row& row : kRows) compare(row, texts, unicode_white_space);
  CHECK(words_of(find_pretokenizer("gpt-2"), " \u180E") == std::vector<std::string>{" \u180E"});
}

TEST_CASE("every name has a family, and every family is compared with its expressions", "[tokenizer]") {
  for (const PretokenizerName& name : kPretokenizerNames) {
    INFO(name.name);
    CHECK(find_pretokenizer(name.name) >= 0);
    CHECK(find_pretokenizer(name.name) == find_pretokenizer(name.family));
    CHECK(std::any_of(std::begin(kRows), std::end(kRows), [&](const Row& row) { return row.name == name.family; }));
  }
}

TEST_CASE("models of one family share a pre-tokenizer, unknown names have none", "[tokenizer]") {
  const std::string text = "It's 1234 \u00BD\n\n  x'LL \t y";
  for (const char* name : {"starcoder", "refact", "command-r"}) {
    REQUIRE(find_pretokenizer(name) >= 0);
    CHECK(words_of(find_pretokenizer(name), text) == words_of(find_pretokenizer("smollm"), text));
  }
  for (const char* name : {"stablelm2", "deepseek-r1-qwen"}) {
    REQUIRE(find_pretokenizer(name) >= 0);
    CHECK(words_of(find_pretokenizer(name), text) == words_of(find_pretokenizer("qwen2"), text));
  }
  CHECK(find_pretokenizer("") == -1);
  CHECK(find_pretokenizer("qwen") == -1);
}

TEST_CASE("a long run of any class is cut in linear time", "[tokenizer]") {
  for (const Row& row : kRows) {
    int which = find_pretokenizer(row.name);
    for (const char* run :
         {"a", "A", "\u3042", "\u0301", "1", " ", "\n", "\r", "'", "!", "/", "\u00A0", " \n", "A\u0301"}) {
      std::string text;
      while (text.size() < 300'000) text += run;
      INFO(row.name << " " << run);
      CHECK(!words_of(which, text + "x").empty());  // quadratic time would be minutes
      CHECK(!words_of(which, text + "5").empty());
    }
  }
}

TEST_CASE("classes agree with PCRE2 wherever both know a code point", "[tokenizer]") {
  struct {
    uint8_t bits;
    const char* pattern;
  } const kinds[] = {
      {kLetter, R"(\p{L})"}, {kMark, R"(\p{M})"},           {kNumber, R"(\p{N})"}, {kPunctuation, R"(\p{P})"},
      {kSymbol, R"(\p{S})"}, {kUpper, R"([\p{Lu}\p{Lt}])"}, {kLower, R"(\p{Ll})"}, {kSpace, R"([\p{Z}\t-\r\x{85}])"}};
  Code known = compile(R"([^\p{C}])");
  MatchData data(pcre2_match_data_create(8, nullptr), pcre2_match_data_free);
  auto matches = [&](const Code& code, const std::string& s) {
    return pcre2_match(code.get(), PCRE2_SPTR(s.data()), s.size(), 0, PCRE2_NO_UTF_CHECK, data.get(), nullptr) > 0;
  };
  std::vector<Code> codes;
  for (const auto& kind : kinds) codes.push_back(compile(kind.pattern));
  int n_known = 0, n_different = 0;
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    std::string s;
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    append_utf8(c, s);
    if (class_of(c) == 0 || !matches(known, s)) continue;
    ++n_known;
    for (size_t k = 0; k < codes.size(); ++k)
      n_different += matches(codes[k], s) != ((class_of(c) & kinds[k].bits) != 0);
  }
  CHECK(n_known > 140'000);
  CHECK(n_different <= 20);  // a few code points change their category between Unicode versions
}

}  // namespace sluice
