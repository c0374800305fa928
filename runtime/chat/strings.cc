// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat/strings.h"

#include <algorithm>

#include "runtime/tokenizer/unicode.h"

namespace sluice::jinja {
namespace {

uint32_t upper(uint32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  if (!(class_of(c) & kLower)) return c;
  if (c == 0xB5) return 0x39C;
  if (c >= 0xE0 && c <= 0xFE) return c - 32;
  if (c == 0xFF) return 0x178;
  if (c == 0x131) return 'I';
  if (c >= 0x100 && c < 0x180) return c == 0x138 || c == 0x149 || c == 0x17F ? (c == 0x17F ? 'S' : c) : c - 1;
  if (c >= 0x3B1 && c <= 0x3CB) return c == 0x3C2 ? 0x3A3 : c - 32;
  if (c >= 0x430 && c <= 0x44F) return c - 32;
  if (c >= 0x450 && c <= 0x45F) return c - 80;
  if (c >= 0x460 && c < 0x530 && c != 0x4CF && (c < 0x4C1 || c > 0x4CE)) return c - 1;
  return c;
}

uint32_t lower(uint32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if (!(class_of(c) & kUpper)) return c;
  if (c >= 0xC0 && c <= 0xDE) return c + 32;
  if (c == 0x178) return 0xFF;
  if (c >= 0x100 && c < 0x180) return c == 0x130 ? 'i' : c + 1;
  if (c >= 0x391 && c <= 0x3AB) return c + 32;
  if (c >= 0x410 && c <= 0x42F) return c + 32;
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c >= 0x460 && c < 0x530 && (c < 0x4C0 || c > 0x4CE)) return c + 1;
  return c;
}

void append_mapped(std::string_view text, uint32_t (*map)(uint32_t), std::string& out) {
  while (!text.empty()) {
    uint32_t c = take_code_point(text);
    if (c == 0xDF && map == upper) {
      out += "SS";
    } else {
      append_utf8(map(c), out);
    }
  }
}

std::string mapped(std::string_view text, uint32_t (*map)(uint32_t)) {
  std::string out;
  out.reserve(text.size());
  append_mapped(text, map, out);
  return out;
}

std::vector<bool> letters_of(std::string_view text) {
  std::vector<bool> letters;
  while (!text.empty()) {
    const uint32_t c = take_code_point(text);
    if (c >= letters.size()) letters.resize(c + 1);
    letters[c] = true;
  }
  return letters;
}

// Bytes of the last code point.
size_t last_letter(std::string_view text) {
  size_t n = 1;
  while (n < text.size() && (uint8_t(text[text.size() - n]) & 0xC0) == 0x80) ++n;
  return n;
}

bool line_end(uint32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

std::vector<std::string_view> split_blanks(std::string_view text, int64_t limit, bool from_right) {
  std::vector<std::string_view> parts;
  for (;;) {
    text = strip(text, nullptr, !from_right, from_right);
    if (text.empty()) break;
    if (limit >= 0 && int64_t(parts.size()) == limit) {
      parts.push_back(text);
      break;
    }
    size_t n = 0;
    while (n < text.size()) {
      std::string_view rest = from_right ? text.substr(0, text.size() - n) : text.substr(n);
      size_t letter = from_right ? last_letter(rest) : 0;
      std::string_view at = from_right ? rest.substr(rest.size() - letter) : rest;
      size_t before = at.size();
      if (is_blank(take_code_point(at))) break;
      n += from_right ? letter : before - at.size();
    }
    parts.push_back(from_right ? text.substr(text.size() - n) : text.substr(0, n));
    from_right ? text.remove_suffix(n) : text.remove_prefix(n);
  }
  return parts;
}

}  // namespace

std::string_view take_letter(std::string_view& text) {
  std::string_view whole = text;
  take_code_point(text);
  return whole.substr(0, whole.size() - text.size());
}

size_t count_letters(std::string_view text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (uint8_t(c) & 0xC0) != 0x80; }));
}

size_t letter_offset(std::string_view text, size_t letter) {
  size_t i = 0;
  for (; i < text.size(); ++i) {
    if ((uint8_t(text[i]) & 0xC0) != 0x80 && letter-- == 0) break;
  }
  return i;
}

Finder::Finder(std::string_view what, bool from_right)
    : what_(what), from_right_(from_right), borders_(what.size(), 0) {
  for (size_t i = 1, n = 0; i < what.size(); ++i) {
    while (n > 0 && letter(what, i) != letter(what, n)) n = borders_[n - 1];
    n += letter(what, i) == letter(what, n);
    borders_[i] = uint32_t(n);
  }
}

size_t Finder::find(std::string_view text) const {
  if (what_.size() > text.size()) return text.npos;
  if (what_.empty()) return from_right_ ? text.size() : 0;
  for (size_t i = 0, n = 0; i < text.size(); ++i) {
    while (n > 0 && letter(text, i) != letter(what_, n)) n = borders_[n - 1];
    n += letter(text, i) == letter(what_, n);
    if (n == what_.size()) return from_right_ ? text.size() - 1 - i : i + 1 - n;
  }
  return text.npos;
}

size_t occurrences(std::string_view text, std::string_view what) {
  if (what.empty()) return count_letters(text) + 1;
  const Finder finder(what);
  size_t n = 0;
  for (size_t at; (at = finder.find(text)) != text.npos; ++n) text.remove_prefix(at + what.size());
  return n;
}

bool is_blank(uint32_t c) { return (class_of(c) & kSpace) || (c >= 0x1C && c <= 0x1F); }

std::string_view strip(std::string_view text, const std::string* characters, bool left, bool right) {
  const std::vector<bool> stripped = characters ? letters_of(*characters) : std::vector<bool>();
  auto strips = [&](std::string_view letter) {
    const uint32_t c = take_code_point(letter);
    return characters ? c < stripped.size() && stripped[c] : is_blank(c);
  };
  while (left && !text.empty()) {
    std::string_view rest = text;
    if (!strips(take_letter(rest))) break;
    text = rest;
  }
  while (right && !text.empty()) {
    size_t n = last_letter(text);
    if (!strips(text.substr(text.size() - n))) break;
    text.remove_suffix(n);
  }
  return text;
}

std::string to_upper(std::string_view text) { return mapped(text, upper); }
std::string to_lower(std::string_view text) { return mapped(text, lower); }

std::string capitalized(std::string_view text) {
  if (text.empty()) return "";
  std::string_view first = take_letter(text);
  return to_upper(first) + to_lower(text);
}

std::string titled(std::string_view text) {
  std::string out;
  bool start = true;
  while (!text.empty()) {
    std::string_view letter = take_letter(text);
    std::string_view copy = letter;
    uint32_t c = take_code_point(copy);
    bool separator = c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_blank(c);
    if (separator)
      out += letter;
    else
      append_mapped(letter, start ? upper : lower, out);
    start = separator;
  }
  return out;
}

std::string python_titled(std::string_view text) {
  std::string out;
  bool inside = false;
  while (!text.empty()) {
    std::string_view letter = take_letter(text), copy = letter;
    append_mapped(letter, inside ? lower : upper, out);
    inside = class_of(take_code_point(copy)) & (kUpper | kLower);
  }
  return out;
}

std::string swapped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::string_view letter = take_letter(text), copy = letter;
    append_mapped(letter, class_of(take_code_point(copy)) & kUpper ? lower : upper, out);
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t begin = 0;
  for (std::string_view rest = text; !rest.empty();) {
    size_t at = text.size() - rest.size();
    uint32_t c = take_code_point(rest);
    if (!line_end(c)) continue;
    lines.push_back(text.substr(begin, at - begin));
    if (c == '\r' && !rest.empty() && rest[0] == '\n') rest.remove_prefix(1);
    begin = text.size() - rest.size();
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::vector<std::string_view> split(std::string_view text, std::string_view separator, int64_t limit, bool from_right) {
  std::vector<std::string_view> parts;
  if (separator.empty()) {
    parts = split_blanks(text, limit, from_right);
  } else {
    const Finder finder(separator, from_right);
    for (; limit < 0 || int64_t(parts.size()) < limit;) {
      size_t at = finder.find(text);
      if (at == text.npos) break;
      parts.push_back(from_right ? text.substr(at + separator.size()) : text.substr(0, at));
      text = from_right ? text.substr(0, at) : text.substr(at + separator.size());
    }
    parts.push_back(text);
  }
  if (from_right) std::reverse(parts.begin(), parts.end());
  return parts;
}

std::string replaced(std::string_view text, std::string_view what, std::string_view by, int64_t limit) {
  std::string out;
  if (what.empty()) {  // between all code points, as Python does
    for (; !text.empty() && limit != 0; limit -= limit > 0) {
      out += by;
      out += take_letter(text);
    }
    out += text;
    if (limit != 0) out += by;
    return out;
  }
  const Finder finder(what);
  for (size_t at; limit != 0 && (at = finder.find(text)) != text.npos; limit -= limit > 0) {
    out += text.substr(0, at);
    out += by;
    text.remove_prefix(at + what.size());
  }
  out += text;
  return out;
}

}  // namespace sluice::jinja
