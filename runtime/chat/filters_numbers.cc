// SPDX-License-Identifier: Apache-2.0
// Jinja's filters of numbers.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "runtime/chat/digits.h"
#include "runtime/chat/filters.h"
#include "runtime/chat/json_reader.h"
#include "runtime/chat/strings.h"

namespace sluice::jinja {
namespace {

int digit_value(char c) {
  const char lower = char(c | 0x20);
  return c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'z' ? lower - 'a' + 10 : 99;
}

// Appends the digits at `i`, which may have single underscores between them; whether there are any.
bool take_digits(std::string_view s, size_t& i, int64_t base, std::string& out) {
  const size_t before = out.size();
  for (; i < s.size(); ++i) {
    const bool between = s[i] == '_' && out.size() > before && i + 1 < s.size() && digit_value(s[i + 1]) < base;
    if (between) continue;
    if (digit_value(s[i]) >= base) break;
    out += s[i];
  }
  return out.size() > before;
}

// What Python's int() and float() make of a text: none if it is no number.
struct ReadInteger {
  bool found = false, too_large = false;
  int64_t n = 0;
};

ReadInteger read_integer(std::string_view s, int64_t base) {
  if (base != 0 && (base < 2 || base > 36)) return {};
  const bool negative = !s.empty() && s[0] == '-';
  size_t i = negative || (!s.empty() && s[0] == '+');
  const char letter = s.size() > i + 2 && s[i] == '0' ? char(s[i + 1] | 0x20) : ' ';
  const int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
  if (named != 0 && (base == 0 || base == named)) {
    base = named;
    i += 2;
    if (s[i] == '_') ++i;
  }
  if (base == 0) base = 10;
  std::string digits;
  if (!take_digits(s, i, base, digits) || i < s.size()) return {};
  ReadInteger read{true};
  for (const char c : digits) {
    const int64_t digit = negative ? -int64_t(digit_value(c)) : digit_value(c);
    read.too_large |= __builtin_mul_overflow(read.n, base, &read.n) || __builtin_add_overflow(read.n, digit, &read.n);
  }
  return read;
}

std::optional<double> read_float(std::string_view s) {
  const bool negative = !s.empty() && s[0] == '-';
  size_t i = negative || (!s.empty() && s[0] == '+');
  const double sign = negative ? -1 : 1;
  std::string word;  // byte by byte: the text may be anything, and is not to be cut inside a character
  for (const char ch : s.substr(i, 9)) word += ch >= 'A' && ch <= 'Z' ? char(ch | 0x20) : ch;
  if (word == "inf" || word == "infinity") return sign * std::numeric_limits<double>::infinity();
  if (word == "nan") return std::numeric_limits<double>::quiet_NaN();
  std::string whole, part, exponent;
  take_digits(s, i, 10, whole);
  if (i < s.size() && s[i] == '.') take_digits(s, ++i, 10, part);
  if (whole.empty() && part.empty()) return std::nullopt;
  if (i < s.size() && (s[i] | 0x20) == 'e') {
    exponent = "e";
    if (++i < s.size() && (s[i] == '-' || s[i] == '+')) exponent += s[i++];
    if (!take_digits(s, i, 10, exponent)) return std::nullopt;
  }
  if (i < s.size()) return std::nullopt;
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  // With this form only what no double can hold is no number.
  const auto number = read_number((whole.empty() ? "0" : whole) + "." + (part.empty() ? "0" : part) + exponent);
  return sign * number.value_or(std::numeric_limits<double>::infinity());
}

// Down to the integer towards zero; what is none (in any case an infinite one) is refused.
Value whole_part(const FilterCall& c, double d) {
  return d >= -0x1p63 && d < 0x1p63 ? Value::integer(int64_t(d)) : c.in.fail("an integer is too large");
}

Value f_int(const FilterCall& c) {
  const Value* given = c.get(0, "default");
  const Value otherwise = given ? *given : Value::integer(0);
  const int64_t base = c.integer(1, "base", 10);
  if (c.v.undefined()) return c.in.fail(c.in.missing(c.v));
  if (c.v.integral()) return Value::integer(c.v.as_int());
  if (c.v.is(Kind::kFloat)) return std::isnan(c.v.d) ? otherwise : whole_part(c, c.v.d);
  if (!c.v.is(Kind::kString) || !c.in.work(kParseWork * c.v.text().size())) return otherwise;
  const std::string s = with_ascii_digits(strip(c.v.text(), nullptr, true, true));
  const ReadInteger read = read_integer(s, base);
  if (read.too_large) return c.in.fail("an integer is too large");
  if (read.found) return Value::integer(read.n);
  const std::optional<double> number = read_float(s);
  return number && std::isfinite(*number) ? whole_part(c, *number) : otherwise;
}

Value f_float(const FilterCall& c) {
  if (c.v.undefined()) return c.in.fail(c.in.missing(c.v));
  if (c.v.numeric()) return Value::number(c.v.as_double());
  const Value* otherwise = c.get(0, "default");
  if (c.v.is(Kind::kString) && c.in.work(kParseWork * c.v.text().size())) {
    const auto number = read_float(with_ascii_digits(strip(c.v.text(), nullptr, true, true)));
    if (number) return Value::number(*number);
  }
  return otherwise ? *otherwise : Value::number(0);
}

Value f_abs(const FilterCall& c) {
  if (!c.v.numeric()) return c.in.fail(std::string("a ") + type_name(c.v) + " has no absolute value");
  if (c.v.is(Kind::kFloat)) return Value::number(std::abs(c.v.d));
  return c.v.as_int() < 0 ? c.in.binary(Op::kSubtract, Value::integer(0), c.v) : Value::integer(c.v.as_int());
}

// Whole tens, hundreds, …, ties to the even one.
double rounded_to_tens(double d, int64_t zeros) {
  const double scale = std::pow(10.0, double(zeros));
  return std::isfinite(scale) ? std::nearbyint(d / scale) * scale : 0.0;
}

// The same of an integer: exact.
Value integer_to_tens(const FilterCall& c, int64_t i, int64_t zeros) {
  constexpr int64_t kMostZeros = 18, kHalf = 5'000'000'000'000'000'000;  // half of the first power that does not fit
  if (zeros > kMostZeros) {
    const bool down = zeros > kMostZeros + 1 || (i <= kHalf && i >= -kHalf);
    return down ? Value::integer(0) : c.in.fail("an integer is too large");
  }
  int64_t scale = 1;
  for (int64_t k = 0; k < zeros; ++k) scale *= 10;
  const int64_t rest = i % scale, twice = 2 * (rest < 0 ? -rest : rest);
  int64_t rounded = i - rest;
  const bool away = twice > scale || (twice == scale && rounded / scale % 2 != 0);
  if (away && __builtin_add_overflow(rounded, i < 0 ? -scale : scale, &rounded))
    return c.in.fail("an integer is too large");
  return Value::integer(rounded);
}

Value f_round(const FilterCall& c) {
  if (!c.v.numeric()) return c.in.fail(std::string("a ") + type_name(c.v) + " cannot be rounded");
  const int64_t precision = c.integer(0, "precision", 0);
  const Value* method = c.get(1, "method");
  const std::string how = method ? c.in.printed(*method) : "common";
  if (how != "common" && how != "ceil" && how != "floor") return c.in.fail("round knows common, ceil and floor");
  if (precision < -400 || precision > 400) return c.in.fail("a precision is too large");
  const double d = c.v.as_double();
  if (how == "common" && c.v.integral()) {
    return precision >= 0 ? Value::integer(c.v.as_int()) : integer_to_tens(c, c.v.as_int(), -precision);
  }
  if (how == "common") {
    if (precision < 0) return Value::number(rounded_to_tens(d, -precision));
    char text[800];
    const auto end = std::to_chars(text, text + sizeof text, d, std::chars_format::fixed, int(precision));
    const std::optional<double> rounded = read_number({text, size_t(end.ptr - text)});
    return Value::number(rounded ? *rounded : d);
  }
  if (c.v.integral() && precision >= 0) return Value::number(d);
  const double scale = std::pow(10.0, double(precision));
  if (!std::isfinite(d * scale)) return c.in.fail("a number is too large to be rounded");
  if (scale == 0) return c.in.fail("a precision is too large");
  return Value::number((how == "ceil" ? std::ceil(d * scale) : std::floor(d * scale)) / scale + 0.0);
}

}  // namespace

std::span<const FilterRow> number_filters() {
  static constexpr FilterRow kRows[] = {
      {"abs", f_abs, 0},
      {"float", f_float, 1},
      {"int", f_int, 2},
      {"round", f_round, 2},
  };
  return kRows;
}

}  // namespace sluice::jinja
