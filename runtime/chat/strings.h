// SPDX-License-Identifier: Apache-2.0
// Python's string operations on valid UTF-8.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::jinja {

// The first code point's bytes; `text` (not empty) moves past it.
std::string_view take_letter(std::string_view& text);

size_t count_letters(std::string_view text);                 // code points
size_t letter_offset(std::string_view text, size_t letter);  // bytes before that code point, text.size() past the end

bool is_blank(uint32_t code_point);  // str.isspace

// Finds a text in others in time linear in both, whatever they are (Knuth, Morris and Pratt). `what` must outlive it.
class Finder {
 public:
  explicit Finder(std::string_view what, bool from_right = false);
  size_t find(std::string_view text) const;  // the first place (from the right: the last), npos if there is none

 private:
  char letter(std::string_view text, size_t i) const { return from_right_ ? text[text.size() - 1 - i] : text[i]; }

  std::string_view what_;
  bool from_right_;
  std::vector<uint32_t> borders_;  // of each beginning of `what`: the longest proper one that also ends it
};

size_t occurrences(std::string_view text, std::string_view what);  // str.count

// Strips code points that are in `characters`, or blanks if it is null.
std::string_view strip(std::string_view text, const std::string* characters, bool left, bool right);

// Simple case mapping of Latin, Greek and Cyrillic letters.
std::string to_upper(std::string_view text);
std::string to_lower(std::string_view text);
std::string capitalized(std::string_view text);
std::string titled(std::string_view text);         // Jinja's title filter: words begin after blanks, "-" and brackets
std::string python_titled(std::string_view text);  // str.title: after all that is no letter with cases

std::string swapped(std::string_view text);  // str.swapcase

std::string escaped(std::string_view text);  // for HTML, as MarkupSafe does it

std::vector<std::string_view> split_lines(std::string_view text);

// str.split: at most `limit` cuts (negative: all); an empty separator cuts at runs of blanks. `from_right` is rsplit.
std::vector<std::string_view> split(std::string_view text, std::string_view separator, int64_t limit, bool from_right);

std::string replaced(std::string_view text, std::string_view what, std::string_view by, int64_t limit);

}  // namespace sluice::jinja
