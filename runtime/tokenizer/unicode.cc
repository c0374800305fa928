// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/unicode.h"

#include <algorithm>
#include <array>

#include "runtime/tokenizer/unicode_table.h"

namespace sluice {
namespace {

uint8_t search(uint32_t code_point) {
  uint32_t key = code_point << 8 | 0xFF;
  return uint8_t(*(std::upper_bound(kUnicodeRanges, kUnicodeRanges + kUnicodeRangeCount, key) - 1));
}

}  // namespace

uint8_t class_of(uint32_t code_point) {
  static const std::array<uint8_t, 128> ascii = [] {
    std::array<uint8_t, 128> table{};
    for (uint32_t c = 0; c < 128; ++c) table[c] = search(c);
    return table;
  }();
  if (code_point < 128) return ascii[code_point];
  // The two large blocks of everyday text that would otherwise take the whole search.
  if ((code_point >= 0x4E00 && code_point <= 0x9FFC) || (code_point >= 0xAC00 && code_point <= 0xD7A3)) return kLetter;
  return code_point <= 0x10FFFF ? search(code_point) : 0;
}

size_t utf8_length(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? uint8_t(text[i]) : uint8_t(0); };
  auto follows = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  uint8_t b = byte(0);
  if (b < 0x80) return 1;
  if (b < 0xC2) return 0;
  if (b < 0xE0) return follows(1) ? 2 : 0;
  if (b < 0xF0) {
    if (b == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (b == 0xED && byte(1) > 0x9F) return 0;  // surrogates
    return follows(1) && follows(2) ? 3 : 0;
  }
  if (b > 0xF4) return 0;
  if (b == 0xF0 && byte(1) < 0x90) return 0;  // overlong
  if (b == 0xF4 && byte(1) > 0x8F) return 0;  // above U+10FFFF
  return follows(1) && follows(2) && follows(3) ? 4 : 0;
}

uint32_t take_code_point(std::string_view& text) {
  uint8_t b = uint8_t(text[0]);
  size_t n = b < 0x80 ? 1 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : 4;
  if (n > text.size()) n = text.size();  // never beyond the text, even if a caller cut it inside a character
  uint32_t c = b < 0x80 ? b : b & (0xFFu >> (n + 1));
  for (size_t i = 1; i < n; ++i) c = c << 6 | (uint8_t(text[i]) & 0x3F);
  text.remove_prefix(n);
  return c;
}

void append_utf8(uint32_t c, std::string& out) {
  size_t n = utf8_size(c);
  if (n == 1) {
    out += char(c);
    return;
  }
  static constexpr uint8_t kLead[] = {0, 0, 0xC0, 0xE0, 0xF0};
  out += char(kLead[n] | (c >> (6 * (n - 1))));
  for (size_t i = n - 1; i-- > 0;) out += char(0x80 | ((c >> (6 * i)) & 0x3F));
}

std::string_view valid_utf8(std::string_view text, std::string& storage) {
  size_t good = 0;
  while (good < text.size()) {
    size_t n = utf8_length(text.substr(good));
    if (n == 0) break;
    good += n;
  }
  if (good == text.size()) return text;
  storage.assign(text.substr(0, good));
  for (std::string_view rest = text.substr(good); !rest.empty();) {
    size_t n = utf8_length(rest);
    if (n == 0) {
      append_utf8(kReplacement, storage);
    } else {
      storage.append(rest.substr(0, n));
    }
    rest.remove_prefix(n ? n : 1);
  }
  return storage;
}

}  // namespace sluice
