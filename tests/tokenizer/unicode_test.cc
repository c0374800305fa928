// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/unicode.h"

#include "runtime/tokenizer/tokenizer.h"
#include "support/catch.h"

namespace sluice {
namespace {

std::string repaired(std::string_view text) {
  std::string storage;
  return std::string(valid_utf8(text, storage));
}

std::string streamed(std::initializer_list<std::string_view> parts) {
  Utf8Stream stream;
  std::string out;
  for (std::string_view part : parts) stream.append(part, out);
  stream.finish(out);
  return out;
}

}  // namespace

TEST_CASE("code points have the classes of the Unicode Character Database", "[tokenizer]") {
  CHECK(class_of('a') == (kLetter | kLower));
  CHECK(class_of('Z') == (kLetter | kUpper));
  CHECK(class_of('7') == kNumber);
  CHECK(class_of('_') == kPunctuation);
  CHECK(class_of('$') == kSymbol);
  CHECK(class_of('\n') == kSpace);
  CHECK(class_of(0x00) == 0);
  CHECK(class_of(0x85) == kSpace);
  CHECK(class_of(0xA0) == kSpace);
  CHECK(class_of(0xBD) == kNumber);               // ½
  CHECK(class_of(0x01C5) == (kLetter | kUpper));  // title case
  CHECK(class_of(0x0301) == kMark);
  CHECK(class_of(0x0E44) == kLetter);
  CHECK(class_of(0x180E) == 0);  // a format character, no longer a space
  CHECK(class_of(0x200B) == 0);
  CHECK(class_of(0x2028) == kSpace);
  CHECK(class_of(0x3000) == kSpace);
  CHECK(class_of(0x4E00) == kLetter);
  CHECK(class_of(0x9FFC) == kLetter);
  CHECK(class_of(0xAC00) == kLetter);
  CHECK(class_of(0xD7A3) == kLetter);
  CHECK(class_of(0xD7A4) == 0);
  CHECK(class_of(0xE000) == 0);
  CHECK(class_of(0x1F601) == kSymbol);
  CHECK(class_of(0x20000) == kLetter);
  CHECK(class_of(0x10FFFF) == 0);
  CHECK(class_of(0x110000) == 0);
}

TEST_CASE("only shortest forms of scalar values are valid UTF-8", "[tokenizer]") {
  CHECK(utf8_length("a") == 1);
  CHECK(utf8_length("\xC2\x80") == 2);
  CHECK(utf8_length("\xC1\xBF") == 0);
  CHECK(utf8_length("\xE0\xA0\x80") == 3);
  CHECK(utf8_length("\xE0\x9F\xBF") == 0);
  CHECK(utf8_length("\xED\x9F\xBF") == 3);
  CHECK(utf8_length("\xED\xA0\x80") == 0);
  CHECK(utf8_length("\xF0\x90\x80\x80") == 4);
  CHECK(utf8_length("\xF0\x8F\xBF\xBF") == 0);
  CHECK(utf8_length("\xF4\x8F\xBF\xBF") == 4);
  CHECK(utf8_length("\xF4\x90\x80\x80") == 0);
  CHECK(utf8_length("\xE2\x82") == 0);
  CHECK(utf8_length("\x80") == 0);
}

TEST_CASE("every code point survives encoding and decoding", "[tokenizer]") {
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string s;
    append_utf8(c, s);
    std::string_view rest = s;
    if (utf8_length(s) != s.size() || s.size() != utf8_size(c) || take_code_point(rest) != c || !rest.empty()) {
      FAIL("code point " << c);
    }
  }
}

TEST_CASE("each bad byte of a text becomes one replacement character", "[tokenizer]") {
  CHECK(repaired("plain \xC3\xA9") == "plain \xC3\xA9");
  CHECK(repaired("a\xFF"
                 "b") ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(repaired("\xE2\x82") == "\xEF\xBF\xBD\xEF\xBF\xBD");
  CHECK(repaired("\xED\xA0\x80x") == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDx");
  CHECK(repaired("") == "");
}

TEST_CASE("a stream of pieces gives whole code points only", "[tokenizer]") {
  Utf8Stream stream;
  std::string out;
  stream.append("a\xF0\x9F", out);
  CHECK(out == "a");
  stream.append("\x98", out);
  CHECK(out == "a");
  stream.append("\x81!", out);
  CHECK(out == "a\xF0\x9F\x98\x81!");
  stream.finish(out);
  CHECK(out == "a\xF0\x9F\x98\x81!");
}

TEST_CASE("a stream replaces what can never become valid UTF-8, as soon as that is known", "[tokenizer]") {
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(streamed({"\xFF"}) == bad);
  CHECK(streamed({"\x80\x80"}) == bad + bad);
  CHECK(streamed({"\xE2\x82", "a"}) == bad + "a");
  CHECK(streamed({"\xE2\xE2\x82\xAC"}) == bad + "\xE2\x82\xAC");
  CHECK(streamed({"\xF0\x9F\x98"}) == bad);
  CHECK(streamed({"\xC0\x80"}) == bad + bad);
  CHECK(streamed({"\xED\xA0\x80"}) == bad + bad + bad);
  CHECK(streamed({"\xF4\x90"}) == bad + bad);
  CHECK(streamed({"\xC3", "\xC3", "\xA9"}) == bad + "\xC3\xA9");
}

}  // namespace sluice
