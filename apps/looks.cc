// SPDX-License-Identifier: Apache-2.0
#include "looks.h"

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace sluice {

bool is_terminal(FILE* stream) { return isatty(fileno(stream)) == 1; }

bool has_color(FILE* stream) {
  const char* no_color = getenv("NO_COLOR");
  const char* term = getenv("TERM");
  return is_terminal(stream) && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

bool has_utf8() { return strcmp(nl_langinfo(CODESET), "UTF-8") == 0; }

int terminal_width() {
  for (int fd : {STDERR_FILENO, STDOUT_FILENO}) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  }
  return 80;
}

std::string styled(FILE* stream, Style style, std::string_view text) {
  static constexpr const char* kCodes[] = {"1", "2", "31", "32", "33", "34", "35", "36"};
  if (!has_color(stream)) return std::string(text);
  return std::string("\033[") + kCodes[int(style)] + "m" + std::string(text) + "\033[0m";
}

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = text[i];
    if (c < 0x20 ? c != '\n' && c != '\t' : c == 0x7f) continue;
    if (c == 0xc2 && i + 1 < text.size() && (text[i + 1] & 0xe0) == 0x80) {  // U+0080 … U+009F
      ++i;
      continue;
    }
    out += char(c);
  }
  return out;
}

std::string one_line(std::string_view text) {
  // U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+2069; and the line and paragraph separators U+2028, U+2029.
  const auto mark = [](std::string_view s) -> size_t {
    if (s.starts_with("\xD8\x9C")) return 2;
    if (s.size() < 3 || s[0] != '\xE2') return 0;
    const uint8_t a = uint8_t(s[1]), b = uint8_t(s[2]);
    const bool in_80 = a == 0x80 && (b == 0x8e || b == 0x8f || (b >= 0xa8 && b <= 0xae));
    return in_80 || (a == 0x81 && b >= 0xa6 && b <= 0xa9) ? 3 : 0;
  };
  std::string out;
  const std::string safe = printable(text);
  for (std::string_view rest = safe; !rest.empty();) {
    if (const size_t n = mark(rest)) {
      rest.remove_prefix(n);
      continue;
    }
    if (out.size() >= kMostLineBytes && (rest[0] & 0xc0) != 0x80) return out + " …";
    out += rest[0] == '\n' || rest[0] == '\t' ? ' ' : rest[0];
    rest.remove_prefix(1);
  }
  return out;
}

std::string human_bytes(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = double(bytes);
  int unit = 0;
  while (value >= 1023.95 && unit < 6) value /= 1024, ++unit;
  char text[32];
  snprintf(text, sizeof text, unit == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string human_number(double value) {
  char text[48];
  const double size = std::fabs(value);
  if (!std::isfinite(value)) return "-";
  snprintf(text, sizeof text,
           size >= 1000  ? "%.0f"
           : size >= 100 ? "%.1f"
           : size >= 10  ? "%.2f"
           : size >= 1   ? "%.3f"
                         : "%.3g",
           value);
  return text;
}

std::string grouped(uint64_t value) {
  std::string text = std::to_string(value);
  for (size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

size_t display_width(std::string_view utf8) {
  return size_t(std::count_if(utf8.begin(), utf8.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(std::string_view text, size_t width, bool right) {
  const size_t used = display_width(text);
  const std::string space(used < width ? width - used : 0, ' ');
  return right ? space + std::string(text) : std::string(text) + space;
}

std::string table(const std::vector<std::vector<std::string>>& rows, std::string_view alignment) {
  std::vector<size_t> widths(alignment.size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      if (i) line += "  ";
      line += padded(row[i], widths[i], alignment[i] == 'r');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string wrapped(std::string_view text, size_t first_column, size_t indent, size_t width) {
  std::string out;
  size_t column = first_column;
  while (!text.empty()) {
    const size_t space = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, space);
    const bool starts = out.empty();
    if (!starts && column + 1 + display_width(word) > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!starts) {
      out += ' ', ++column;
    }
    out += word;
    column += display_width(word);
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return out;
}

}  // namespace sluice
