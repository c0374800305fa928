// SPDX-License-Identifier: Apache-2.0
// How text looks on a terminal: colour where it is wanted, widths, numbers for people, and no control characters from
// models or files.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

bool is_terminal(FILE* stream);
// NO_COLOR, TERM=dumb and pipes give no colour.
bool has_color(FILE* stream);
bool has_utf8();
int terminal_width();  // 80 if unknown

enum class Style { kBold, kDim, kRed, kGreen, kYellow, kBlue, kMagenta, kCyan };
std::string styled(FILE* stream, Style style, std::string_view text);

// Without control characters other than newline and tab: text of a model or file must not command a terminal.
std::string printable(std::string_view text);
// The same in one line and without marks that turn the direction of writing, at most kMostLineBytes: for messages,
// which must not look like two or like another.
inline constexpr size_t kMostLineBytes = 2000;
std::string one_line(std::string_view text);

std::string human_bytes(uint64_t bytes);      // "98.4 MiB"
std::string human_number(double value);       // "12345", "123.4", "1.234", "0.00123"
std::string grouped(uint64_t value);          // "1,234,567"
size_t display_width(std::string_view utf8);  // columns, counting each code point as one
std::string padded(std::string_view text, size_t width, bool right = false);

// Rows of equally many cells as aligned columns, two spaces apart; columns marked 'r' in `alignment` to the right.
std::string table(const std::vector<std::vector<std::string>>& rows, std::string_view alignment);

// Words wrapped at `width` columns; lines after the first begin with `indent` spaces.
std::string wrapped(std::string_view text, size_t first_column, size_t indent, size_t width);

}  // namespace sluice
