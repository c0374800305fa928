// SPDX-License-Identifier: Apache-2.0
// Code points: their classes (Unicode 15.0, the general categories that pre-tokenizers ask for), and UTF-8 read
// strictly (no overlong forms, no surrogates). Knows nothing of tokens.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice {

// Bits of a code point's class. A mark is not a letter; kUpper holds Lu and Lt, kLower Ll, neither Lm and Lo.
enum CharClass : uint8_t {
  kLetter = 1,
  kMark = 2,
  kNumber = 4,
  kPunctuation = 8,
  kSymbol = 16,
  kSpace = 32,  // White_Space: unlike PCRE2's \s, U+180E is not one
  kUpper = 64,
  kLower = 128,
};

// 0 for unassigned, control (unless white space), format and private-use code points.
uint8_t class_of(uint32_t code_point);

inline constexpr uint32_t kReplacement = 0xFFFD;

// Length of the valid sequence at the start of `text` (not empty), 0 if there is none.
size_t utf8_length(std::string_view text);

// The code point at the start of valid UTF-8; `text` moves past it.
uint32_t take_code_point(std::string_view& text);

void append_utf8(uint32_t code_point, std::string& out);

// Bytes of a code point in UTF-8.
inline size_t utf8_size(uint32_t code_point) {
  return code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
}

// `text` itself if it is valid UTF-8; otherwise `storage` gets a copy with each bad byte replaced by U+FFFD.
std::string_view valid_utf8(std::string_view text, std::string& storage);

}  // namespace sluice
