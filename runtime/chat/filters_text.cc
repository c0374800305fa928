// SPDX-License-Identifier: Apache-2.0
// Jinja's filters of text.
#include <algorithm>

#include "runtime/chat/filters.h"
#include "runtime/chat/json_reader.h"
#include "runtime/chat/strings.h"
#include "runtime/chat/text_format.h"
#include "runtime/tokenizer/unicode.h"

namespace sluice::jinja {
namespace {

Value f_string(const FilterCall& c) { return c.v.is(Kind::kString) ? c.v : c.in.string(c.text()); }
Value f_upper(const FilterCall& c) { return c.in.string(to_upper(c.text()), c.v.safe()); }
Value f_lower(const FilterCall& c) { return c.in.string(to_lower(c.text()), c.v.safe()); }
Value f_capitalize(const FilterCall& c) { return c.in.string(capitalized(c.text()), c.v.safe()); }
Value f_title(const FilterCall& c) { return c.in.string(titled(c.text())); }

Value f_trim(const FilterCall& c) {
  const Value* characters = c.get(0, "chars");
  bool given = characters && characters->is(Kind::kString);
  if (given && !c.in.work(kLetterWork * characters->text().size())) return {};
  return c.in.string(std::string(strip(c.text(), given ? &characters->text() : nullptr, true, true)), c.v.safe());
}

Value f_replace(const FilterCall& c) {
  const Value *what = c.get(0, "old"), *by = c.get(1, "new");
  if (!what || !by) return c.in.fail("replace needs two arguments");
  Arguments arguments{{*what, *by}, {}};
  if (const Value* count = c.get(2, "count"); count && !count->is(Kind::kNone)) arguments.positional.push_back(*count);
  return c.in.method(Value::string(c.text()), "replace", arguments);
}

Value f_safe(const FilterCall& c) { return c.v.safe() ? c.v : c.in.string(c.text(), true); }
Value f_escape(const FilterCall& c) { return c.v.safe() ? c.v : c.in.string(escaped(c.text()), true); }
Value f_forceescape(const FilterCall& c) { return c.in.string(escaped(c.text()), true); }

Value f_indent(const FilterCall& c) {
  if (!c.v.is(Kind::kString)) return c.in.fail(std::string("indent needs a string, found a ") + type_name(c.v));
  const Value* width = c.get(0, "width");
  std::string margin = width && width->is(Kind::kString) ? width->text() : "";
  if (!width || !width->is(Kind::kString)) {
    int64_t n = c.integer(0, "width", 4);
    if (n > 1000) return c.in.fail("an indent is too wide");
    margin.assign(size_t(std::max(n, int64_t{0})), ' ');
  }
  std::string text = c.text() + "\n", out;
  std::vector<std::string_view> lines = split_lines(text);
  if (margin.size() * lines.size() > c.in.limits().max_output_bytes) return c.in.fail("an indented text is too long");
  bool blank = c.flag(2, "blank", false);
  if (c.flag(1, "first", false)) out += margin;
  for (size_t k = 0; k < lines.size(); ++k) {
    if (k) out += "\n";
    if (k && (blank || !lines[k].empty())) out += margin;
    out += lines[k];
  }
  return c.in.string(std::move(out), c.v.safe());
}

Value f_wordcount(const FilterCall& c) {
  const std::string text = c.text();
  int64_t n = 0;
  bool inside = false;
  for (std::string_view rest = text; !rest.empty();) {
    const uint32_t l = take_code_point(rest);
    const bool word = l == '_' || (class_of(l) & (kLetter | kNumber));
    n += word && !inside;
    inside = word;
  }
  return Value::integer(n);
}

Value f_truncate(const FilterCall& c) {
  const int64_t length = c.integer(0, "length", 255), leeway = c.integer(3, "leeway", 5);
  const Value* end_text = c.get(2, "end");
  const std::string end = end_text ? c.in.printed(*end_text) : "...";
  const int64_t of_end = int64_t(count_letters(end));
  if (length < of_end || leeway < 0) return c.in.fail("wrong arguments for 'truncate'");
  auto short_enough = [&](size_t n) { return n <= uint64_t(length) + uint64_t(leeway); };
  if ((c.v.is(Kind::kList) && short_enough(c.v.list().items.size())) ||
      (c.v.is(Kind::kDict) && short_enough(c.v.dict().items.size())))
    return c.v;
  if (!c.v.is(Kind::kString)) return c.in.fail(std::string("a ") + type_name(c.v) + " cannot be truncated");
  const std::string s = c.text();
  if (short_enough(count_letters(s))) return c.v;
  std::string_view beginning = std::string_view(s).substr(0, letter_offset(s, size_t(length - of_end)));
  if (!c.flag(1, "killwords", false)) beginning = beginning.substr(0, beginning.rfind(' '));
  return c.in.string(std::string(beginning) + end, c.v.safe());
}

Value f_urlencode(const FilterCall& c) {
  auto encoded = [&](const Value& v, bool query) {
    const std::string text = c.in.printed(v);
    std::string out;
    if (!c.in.work(kLetterWork * text.size())) return out;
    for (const char l : text) {
      const bool plain = (l >= '0' && l <= '9') || ((l | 0x20) >= 'a' && (l | 0x20) <= 'z' && uint8_t(l) < 0x80) ||
                         std::string_view("_.-~").find(l) != std::string_view::npos || (l == '/' && !query);
      static constexpr char kDigits[] = "0123456789ABCDEF";
      if (plain)
        out += l;
      else if (l == ' ' && query)
        out += '+';
      else
        out += {'%', kDigits[uint8_t(l) >> 4], kDigits[uint8_t(l) & 15]};
    }
    return out;
  };
  if (!c.v.is(Kind::kDict))
    return c.v.is(Kind::kList) ? c.in.fail("urlencode needs a string or a mapping") : c.in.string(encoded(c.v, false));
  std::string out;
  for (const auto& [key, value] : c.v.dict().items) {
    if (!c.in.step() || out.size() > c.in.limits().max_output_bytes) break;
    out += (out.empty() ? "" : "&") + encoded(key, true) + "=" + encoded(value, true);
  }
  return c.in.string(std::move(out));
}

Value f_center(const FilterCall& c) {
  std::string s = c.text();
  int64_t width = std::max(c.integer(0, "width", 80), int64_t{0}), n = int64_t(count_letters(s));
  if (width > 1 << 20) return c.in.fail("a width is too large");
  int64_t pad = std::max(width - n, int64_t{0}), left = pad / 2 + (pad & width & 1);
  return c.in.string(std::string(size_t(left), ' ') + s + std::string(size_t(pad - left), ' '), c.v.safe());
}

Value f_format(const FilterCall& c) {
  const Arguments& given = c.arguments;
  if (!given.positional.empty() && !given.named.empty()) return c.in.fail("format takes values or names, not both");
  const Value pattern = f_string(c);
  if (given.named.empty()) return percent_format(c.in, pattern, c.in.list(given.positional, ListKind::kTuple));
  std::vector<std::pair<Value, Value>> names;
  for (const auto& [name, v] : given.named) names.emplace_back(Value::string(std::string(name)), v);
  return percent_format(c.in, pattern, c.in.checked(make_dict(std::move(names))));
}

Value f_tojson(const FilterCall& c) {
  JsonStyle style;
  style.ascii = c.flag(0, "ensure_ascii", false);
  style.sort_keys = c.flag(3, "sort_keys", false);
  const Value* indent = c.get(1, "indent");
  if (indent && !indent->is(Kind::kNone)) {
    if (indent->is(Kind::kString))
      style.indent = indent->text();
    else
      style.indent = std::string(size_t(std::clamp(c.integer(1, "indent", 0), int64_t{0}, int64_t{65})), ' ');
    if (style.indent.size() > 64) return c.in.fail("an indent is too wide");
    style.lines = true;
    style.item_separator = ",";
  }
  const Value* separators = c.get(2, "separators");
  if (separators && !separators->is(Kind::kNone)) {
    std::vector<Value> parts = c.in.iterate(*separators);
    if (parts.size() != 2 || !parts[0].is(Kind::kString) || !parts[1].is(Kind::kString) ||
        parts[0].text().size() + parts[1].text().size() > 64) {
      return c.in.fail("separators must be two short strings");
    }
    style.item_separator = parts[0].text();
    style.key_separator = parts[1].text();
  }
  // Sorting takes a logarithm more, of what memory can hold.
  if (!c.in.work((style.sort_keys ? 4 : 1) * kPrintWork * weight_of(c.v))) return {};
  style.max_bytes = c.in.limits().max_output_bytes;
  std::string out;
  const bool printed = print_json(c.v, style, out);
  c.in.work(2 * kByteWork * out.size());
  if (out.size() > style.max_bytes) return c.in.fail("a value's JSON is too long");
  if (!printed) return c.in.fail(std::string("a ") + type_name(c.v) + " (or a part of it) has no JSON form");
  return c.in.string(std::move(out));
}

// The inverse of tojson, which the templates of some models expect.
Value f_from_json(const FilterCall& c) {
  const std::string text = c.text();
  if (!c.in.work(kParseWork * text.size())) return {};
  Result<Value> v = read_json(text);
  return v.ok() ? c.in.checked(std::move(*v)) : c.in.fail("from_json: " + v.error().message);
}

}  // namespace

std::span<const FilterRow> text_filters() {
  static constexpr FilterRow kRows[] = {
      {"capitalize", f_capitalize, 0},
      {"center", f_center, 1},
      {"e", f_escape, 0},
      {"escape", f_escape, 0},
      {"forceescape", f_forceescape, 0},
      {"format", f_format, 255},
      {"from_json", f_from_json, 0},
      {"indent", f_indent, 3},
      {"lower", f_lower, 0},
      {"replace", f_replace, 3},
      {"safe", f_safe, 0},
      {"string", f_string, 0},
      {"title", f_title, 0},
      {"tojson", f_tojson, 4},
      {"trim", f_trim, 1},
      {"truncate", f_truncate, 4},
      {"upper", f_upper, 0},
      {"urlencode", f_urlencode, 0},
      {"wordcount", f_wordcount, 0},
  };
  return kRows;
}

}  // namespace sluice::jinja
