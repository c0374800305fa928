// SPDX-License-Identifier: Apache-2.0
// Jinja's filters of numbers.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "runtime/chat/filters.h"
#include "runtime/chat/json_reader.h"
#include "runtime/chat/strings.h"

namespace sluice::jinja {
namespace {

Value f_int(const FilterCall& c) {
  Value otherwise = Value::integer(c.integer(0, "default", 0));
  int64_t base = c.integer(1, "base", 10);
  double d = 0;
  if (c.v.undefined()) return c.in.fail(c.in.missing(c.v));
  if (c.v.integral()) return Value::integer(c.v.as_int());
  if (c.v.is(Kind::kFloat)) {
    d = c.v.d;
  } else if (c.v.is(Kind::kString)) {
    if (!c.in.work(kLetterWork * c.v.text().size())) return {};
    std::string s(strip(c.v.text(), nullptr, true, true));
    if (s.size() > 64) return otherwise;
    size_t sign = !s.empty() && (s[0] == '-' || s[0] == '+'), digits = sign;
    auto digit = [&](char l) {
      int value = l >= '0' && l <= '9' ? l - '0' : (l | 0x20) >= 'a' && (l | 0x20) <= 'z' ? (l | 0x20) - 'a' + 10 : 99;
      return value;
    };
    if (base == 16 && s.size() > sign + 2 && s[sign] == '0' && (s[sign + 1] | 0x20) == 'x') digits += 2;
    bool whole = digits < s.size();
    int64_t n = 0;
    for (size_t k = digits; k < s.size() && whole; ++k) {
      whole = digit(s[k]) < base && !__builtin_mul_overflow(n, base, &n) &&
              !__builtin_add_overflow(n, int64_t(digit(s[k])), &n);
    }
    if (whole) return Value::integer(s[0] == '-' ? -n : n);
    const std::optional<double> number = read_number(std::string_view(s).substr(s[0] == '+' ? 1 : 0));
    if (!number) return otherwise;
    d = *number;
  } else {
    return otherwise;
  }
  return std::abs(d) < 9e18 ? Value::integer(int64_t(d)) : otherwise;
}

Value f_float(const FilterCall& c) {
  if (c.v.undefined()) return c.in.fail(c.in.missing(c.v));
  if (c.v.numeric()) return Value::number(c.v.as_double());
  const Value* otherwise = c.get(0, "default");
  if (c.v.is(Kind::kString) && c.v.text().size() < 64) {
    if (const auto number = read_number(strip(c.v.text(), nullptr, true, true))) return Value::number(*number);
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

Value f_round(const FilterCall& c) {
  if (!c.v.numeric()) return c.in.fail(std::string("a ") + type_name(c.v) + " cannot be rounded");
  const int64_t precision = c.integer(0, "precision", 0);
  const Value* method = c.get(1, "method");
  const std::string how = method ? c.in.printed(*method) : "common";
  if (how != "common" && how != "ceil" && how != "floor") return c.in.fail("round knows common, ceil and floor");
  if (precision < -400 || precision > 400) return c.in.fail("a precision is too large");
  const double d = c.v.as_double();
  if (how == "common" && c.v.integral()) {
    if (precision >= 0) return Value::integer(c.v.as_int());
    return Value::integer(int64_t(rounded_to_tens(d, -precision)));
  }
  if (how == "common") {
    if (precision < 0) return Value::number(rounded_to_tens(d, -precision));
    char text[800];
    const auto end = std::to_chars(text, text + sizeof text, d, std::chars_format::fixed, int(precision));
    const std::optional<double> rounded = read_number({text, size_t(end.ptr - text)});
    return Value::number(rounded ? *rounded : d);
  }
  const double scale = std::pow(10.0, double(precision));
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
