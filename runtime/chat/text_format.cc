// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat/text_format.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "runtime/chat/strings.h"
#include "runtime/tokenizer/unicode.h"

namespace sluice::jinja {
namespace {

constexpr int64_t kMostWidth = 1 << 16;  // of a field
constexpr int64_t kMostDigits = 400;     // after the point

bool digit(char c) { return c >= '0' && c <= '9'; }

// Without sign; also of the lowest integer, which has no negative.
uint64_t magnitude(int64_t i) { return i < 0 ? uint64_t(0) - uint64_t(i) : uint64_t(i); }

// [[fill]align][sign][#][0][width][,][.precision][type]
struct Spec {
  std::string fill = " ";
  char align = 0;     // < > ^ or = (between sign and digits); 0: as the kind of value has it
  bool zero = false;  // numbers without an align have =
  char sign = '-', grouping = 0, type = 0;
  bool alternate = false;
  int64_t width = 0, precision = -1;
};

// Reads a number at `i`; too large ones stop at the limit that every use refuses.
int64_t take_number(std::string_view s, size_t& i) {
  int64_t n = 0;
  for (; i < s.size() && digit(s[i]); ++i) n = std::min(n * 10 + (s[i] - '0'), kMostWidth + 1);
  return n;
}

std::optional<Spec> parse_spec(std::string_view s) {
  static constexpr std::string_view kAligns = "<>=^";
  Spec spec;
  size_t i = 0;
  bool filled = false;
  std::string_view rest = s;
  const size_t first = s.empty() ? 0 : take_letter(rest).size();
  if (first > 0 && first < s.size() && kAligns.find(s[first]) != kAligns.npos) {
    spec.fill = std::string(s.substr(0, first));
    filled = true;
    spec.align = s[first];
    i = first + 1;
  } else if (!s.empty() && kAligns.find(s[0]) != kAligns.npos) {
    spec.align = s[i++];
  }
  if (i < s.size() && (s[i] == '+' || s[i] == '-' || s[i] == ' ')) spec.sign = s[i++];
  if (i < s.size() && s[i] == '#') spec.alternate = ++i > 0;
  if (i < s.size() && s[i] == '0') {
    ++i;
    spec.zero = true;
    if (!filled) spec.fill = "0";
  }
  spec.width = take_number(s, i);
  if (i < s.size() && (s[i] == ',' || s[i] == '_')) spec.grouping = s[i++];
  if (i < s.size() && s[i] == '.') {
    if (++i == s.size() || !digit(s[i])) return std::nullopt;
    spec.precision = take_number(s, i);
  }
  if (i < s.size()) spec.type = s[i++];
  // Commas are for decimal numbers, underscores also for the other bases.
  if (spec.grouping && std::string_view(spec.grouping == ',' ? "nbcoxX" : "nc").find(spec.type) != rest.npos)
    return std::nullopt;
  if (i < s.size() || spec.width > kMostWidth || spec.precision > kMostWidth) return std::nullopt;
  return spec;
}

std::string padded(const std::string& sign, const std::string& body, const Spec& spec, char align) {
  if (spec.align) align = spec.align;
  const int64_t room = spec.width - int64_t(count_letters(sign) + count_letters(body));
  auto fill = [&](int64_t n) {
    std::string s;
    while (n-- > 0) s += spec.fill;
    return s;
  };
  if (align == '=') return sign + fill(room) + body;
  const int64_t left = align == '<' ? 0 : align == '>' ? room : room / 2;
  return fill(room > 0 ? left : 0) + sign + body + fill(room > 0 ? room - left : 0);
}

// Separators between groups of digits before the point. Zeros that fill the width are grouped too.
std::string grouped(std::string digits, const Spec& spec, size_t size, size_t sign) {
  size_t whole = size_t(std::find_if_not(digits.begin(), digits.end(),
                                         [&](char c) { return digit(c) || (size == 4 && c >= 'a' && c <= 'f'); }) -
                        digits.begin());
  if (spec.fill == "0" && spec.align == '=' && whole > 0) {
    const size_t other = digits.size() - whole + sign, all = size_t(spec.width);
    size_t wanted = whole;
    while (wanted + (wanted - 1) / size + other < all) ++wanted;
    digits.insert(0, wanted - whole, '0');
    whole = wanted;
  }
  std::string out;
  for (size_t k = 0; k < digits.size(); ++k) {
    if (k > 0 && k < whole && (whole - k) % size == 0) out += spec.grouping;
    out += digits[k];
  }
  return out;
}

// Digits of a finite number without sign, as C's printf has them for e, f, g.
std::string digits_of(double d, char type, int precision, bool alternate) {
  char text[800];
  const auto format = type == 'e'   ? std::chars_format::scientific
                      : type == 'f' ? std::chars_format::fixed
                                    : std::chars_format::general;
  const auto end = std::to_chars(text, text + sizeof text, d, format, precision);
  std::string s(text, size_t(end.ptr - text));
  if (alternate && s.find('.') == s.npos) s.insert(std::min(s.find('e'), s.size()), ".");
  return s;
}

bool format_float(double d, Spec spec, std::string& out) {
  const char type = char(spec.type | 0x20);
  if (spec.precision > kMostDigits) return false;
  const int precision = spec.precision < 0 ? 6 : int(spec.precision);
  std::string body, sign = std::signbit(d) && !std::isnan(d) ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  const double size = std::abs(d);
  if (!std::isfinite(d)) {
    body = std::isnan(d) ? "nan" : "inf";
  } else if (spec.type == '%') {
    body = digits_of(size * 100, 'f', precision, spec.alternate);
  } else if (spec.type == 0 && spec.precision < 0) {
    print(Value::number(size), body);
  } else {
    body = digits_of(size, spec.type == 0 ? 'g' : type, type == 'g' || !spec.type ? std::max(precision, 1) : precision,
                     spec.alternate);
    if (spec.type == 0 && body.find_first_of(".e") == body.npos) body += ".0";
  }
  if (spec.type == '%') body += '%';
  if (spec.type >= 'A' && spec.type <= 'Z') body = to_upper(body);
  if (spec.grouping && std::isfinite(d)) body = grouped(body, spec, 3, sign.size());
  out += padded(sign, body, spec, '>');
  return true;
}

bool format_integer(int64_t i, const Spec& spec, std::string& out) {
  const char type = spec.type ? spec.type : 'd';
  if (std::string_view("eEfFgG%").find(type) != std::string_view::npos) return format_float(double(i), spec, out);
  const int base = type == 'd' || type == 'n' ? 10 : type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : 2;
  if (std::string_view("dnxXobB").find(type) == std::string_view::npos || spec.precision >= 0) return false;
  char text[72];
  std::string body(text, size_t(std::to_chars(text, text + sizeof text, magnitude(i), base).ptr - text));
  std::string sign = i < 0 ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  if (spec.alternate && base != 10) sign += std::string("0") + (base == 16 ? "x" : base == 8 ? "o" : "b");
  if (spec.grouping) body = grouped(body, spec, base == 10 ? 3 : 4, sign.size());
  if (type == 'X') body = to_upper(body), sign = to_upper(sign);
  out += padded(sign, body, spec, '>');
  return true;
}

bool format_text(std::string_view text, Spec spec, std::string& out) {
  if ((spec.type && spec.type != 's') || spec.sign != '-' || spec.alternate || spec.grouping || spec.align == '=')
    return false;
  if (spec.precision >= 0) text = text.substr(0, letter_offset(text, size_t(spec.precision)));
  out += padded("", std::string(text), spec, '<');
  return true;
}

// '%(name)-5.2f': what stands between % and the letter of the conversion, then that letter.
struct Conversion {
  std::optional<std::string_view> name;
  Spec spec;
};

std::optional<Conversion> parse_conversion(std::string_view s, size_t& i) {
  Conversion c;
  if (i < s.size() && s[i] == '(') {
    const size_t end = s.find(')', i);
    if (end == s.npos) return std::nullopt;
    c.name = s.substr(i + 1, end - i - 1);
    i = end + 1;
  }
  bool left = false, zero = false;
  for (; i < s.size() && std::string_view("-+ 0#").find(s[i]) != std::string_view::npos; ++i) {
    left |= s[i] == '-';
    zero |= s[i] == '0';
    c.spec.alternate |= s[i] == '#';
    if (s[i] == '+' || (s[i] == ' ' && c.spec.sign != '+')) c.spec.sign = s[i];
  }
  c.spec.width = take_number(s, i);
  if (i < s.size() && s[i] == '.') c.spec.precision = take_number(s, ++i);
  while (i < s.size() && (s[i] == 'l' || s[i] == 'h' || s[i] == 'L')) ++i;
  if (i == s.size() || c.spec.width > kMostWidth || c.spec.precision > kMostWidth) return std::nullopt;
  c.spec.type = s[i];
  const bool number = std::string_view("diuoxXeEfFgG").find(s[i]) != std::string_view::npos;
  c.spec.align = left ? '<' : zero && number ? '=' : '>';
  if (zero && number && !left) c.spec.fill = "0";
  return c;
}

// One value as its conversion wants it; false if that kind of value has no such form.
bool convert(Interpreter& in, const Value& v, Conversion c, bool markup, std::string& out) {
  const char type = c.spec.type;
  if (type == 's' || type == 'r' || type == 'a') {
    c.spec.type = 0;
    c.spec.sign = '-';
    c.spec.alternate = false;
    std::string text = in.printed(v, type != 's');
    if (markup) text = v.safe() && type == 's' ? text : escaped(text);
    return format_text(text, c.spec, out);
  }
  if (type == 'c') {
    c.spec.type = 0;
    std::string letter;
    const bool surrogate = v.integral() && v.as_int() >= 0xD800 && v.as_int() <= 0xDFFF;  // no UTF-8 for them
    if (v.integral() && !surrogate && uint64_t(v.as_int()) <= 0x10FFFF)
      append_utf8(uint32_t(v.as_int()), letter);
    else if (v.is(Kind::kString))
      letter = v.text();
    return count_letters(letter) == 1 && format_text(letter, c.spec, out);
  }
  if (!v.numeric()) return false;
  if (std::string_view("eEfFgG").find(type) != std::string_view::npos) return format_float(v.as_double(), c.spec, out);
  const bool hex = type == 'o' || type == 'x' || type == 'X';
  if (std::string_view("diuoxX").find(type) == std::string_view::npos || (hex && !v.integral())) return false;
  if (!hex) c.spec.type = 'd';
  if (!v.integral() && !(std::abs(v.d) < 9e18)) return false;
  const int64_t whole = v.integral() ? v.as_int() : int64_t(v.d);
  const int64_t digits = std::exchange(c.spec.precision, -1);
  if (digits <= 0) return format_integer(whole, c.spec, out);
  if (digits > kMostDigits || hex) return false;
  std::string body = std::to_string(magnitude(whole));  // %.3d: at least so many digits
  body.insert(0, size_t(std::max(digits - int64_t(body.size()), int64_t{0})), '0');
  const std::string sign = whole < 0 ? "-" : c.spec.sign == '-' ? "" : std::string(1, c.spec.sign);
  out += padded(sign, body, c.spec, '>');
  return true;
}

// The value of one {…} of a format: a number or name, then .attribute and [item].
Value field_value(Interpreter& in, std::string_view field, size_t& next, const Arguments& arguments) {
  const size_t end = std::min(field.find_first_of(".["), field.size());
  const std::string_view first = field.substr(0, end);
  const bool number = !first.empty() && first.size() < 6 && std::all_of(first.begin(), first.end(), digit);
  const Value* v = nullptr;
  if (first.empty())
    v = arguments.get(next++, "");
  else if (number)
    v = arguments.get(size_t(std::stoul(std::string(first))), "");
  else
    v = arguments.get(size_t(-1), first);
  if (!v) return in.fail("no argument for '{" + std::string(field) + "}' of a format");
  Value at = *v;
  for (field.remove_prefix(end); !field.empty() && !in.failed();) {
    const bool item = field[0] == '[';
    const size_t stop = item ? field.find(']') : std::min(field.find_first_of(".[", 1), field.size());
    if (stop == field.npos || stop < 2 || !in.step()) return in.fail("a format has a field that cannot be read");
    const std::string name(field.substr(1, stop - 1));
    field.remove_prefix(stop + item);
    const bool index = item && name.size() < 10 && std::all_of(name.begin(), name.end(), digit);
    if (!item)
      at = in.attribute(at, name);
    else
      at = in.item(at, index ? Value::integer(std::stoll(name)) : Value::string(name));
    if (at.undefined()) return in.fail("a format asks for '" + name + "', which is not there");
  }
  return at;
}

bool format_value(Interpreter& in, const Value& v, std::string_view spec_text, std::string& out) {
  if (spec_text.empty()) {
    out += in.printed(v);
    return true;
  }
  std::optional<Spec> spec = parse_spec(spec_text);
  if (!spec || !in.work(kLetterWork * uint64_t(std::max(spec->width, spec->precision)))) return false;
  if (v.numeric() && spec->zero && !spec->align) spec->align = '=';
  if (v.integral()) return format_integer(v.as_int(), *spec, out);
  if (v.is(Kind::kFloat)) {
    static constexpr std::string_view kTypes("eEfFgG%\0", 8);
    return kTypes.find(spec->type) != kTypes.npos && format_float(v.d, *spec, out);
  }
  return v.is(Kind::kString) && format_text(v.text(), *spec, out);
}

}  // namespace

Value percent_format(Interpreter& in, const Value& pattern, const Value& operand) {
  const std::string& s = pattern.text();
  if (!in.work(kLetterWork * s.size())) return {};
  const bool tuple = operand.is(Kind::kList) && operand.list().list_kind == ListKind::kTuple;
  const std::vector<Value> values = tuple ? in.iterate(operand) : std::vector<Value>{operand};
  size_t next = 0;
  std::string out;
  for (size_t i = 0; i < s.size() && !in.failed() && out.size() <= in.limits().max_output_bytes; ++i) {
    if (s[i] != '%') {
      out += s[i];
      continue;
    }
    const size_t begin = i++;
    const std::optional<Conversion> c = parse_conversion(s, i);
    const std::string shown = s.substr(begin, i - begin + 1).substr(0, 40);
    if (!c) return in.fail("a format has '" + shown + "', which cannot be read");
    if (c->spec.type == '%') {
      out += '%';
      continue;
    }
    if (!in.work(kStepWork + kLetterWork * uint64_t(std::max(c->spec.width, c->spec.precision)))) return {};
    Value v;
    if (c->name) {
      if (!operand.is(Kind::kDict)) return in.fail("a format with names needs a mapping");
      v = in.item(operand, Value::string(std::string(*c->name)));
      if (v.undefined()) return in.fail("a format asks for '" + std::string(*c->name) + "', which is not there");
    } else {
      if (next >= values.size()) return in.fail("not enough arguments for a format string");
      v = values[next++];
    }
    if (!convert(in, v, *c, pattern.safe(), out))
      return in.fail("the format '" + shown + "' does not suit a " + type_name(v) + ", or is not supported");
  }
  const bool mapping = operand.is(Kind::kDict) || operand.undefined() ||
                       (operand.is(Kind::kList) && operand.list().list_kind == ListKind::kList);
  if (next < values.size() && !mapping) return in.fail("too many arguments for a format string");
  return in.string(std::move(out), pattern.safe());
}

Value brace_format(Interpreter& in, const Value& pattern, const Arguments& arguments) {
  const std::string& s = pattern.text();
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < s.size() && !in.failed() && out.size() <= in.limits().max_output_bytes; ++i) {
    if ((s[i] == '{' || s[i] == '}') && i + 1 < s.size() && s[i + 1] == s[i]) {
      out += s[i++];
      continue;
    }
    if (s[i] == '}') return in.fail("a single '}' in a format string");
    if (s[i] != '{') {
      out += s[i];
      continue;
    }
    const size_t end = s.find('}', i);
    if (end == s.npos) return in.fail("a single '{' in a format string");
    if (!in.work(kStepWork + kByteWork * (end - i) + kNameWork * arguments.named.size())) return {};
    std::string_view field = std::string_view(s).substr(i + 1, end - i - 1), spec;
    i = end;
    if (field.find('{') != field.npos) return in.fail("a format with fields inside fields is not supported");
    if (const size_t colon = field.find(':'); colon != field.npos) {
      spec = field.substr(colon + 1);
      field = field.substr(0, colon);
    }
    char conversion = 0;
    if (const size_t mark = field.find('!'); mark != field.npos) {
      if (mark + 2 != field.size()) return in.fail("a format has a conversion that cannot be read");
      conversion = field[mark + 1];
      field = field.substr(0, mark);
    }
    if (conversion && conversion != 's' && conversion != 'r')
      return in.fail("the conversion '!" + std::string(1, conversion) + "' of a format is not supported");
    Value v = field_value(in, field, next, arguments);
    if (in.failed()) return {};
    if (conversion) v = in.string(in.printed(v, conversion == 'r'));
    std::string text;
    if (!format_value(in, v, spec, text))
      return in.fail("the format ':" + std::string(spec.substr(0, 40)) + "' does not suit a " + type_name(v) +
                     ", or is not supported");
    out += pattern.safe() && !v.safe() ? escaped(text) : text;
  }
  return in.string(std::move(out), pattern.safe());
}

}  // namespace sluice::jinja
