// SPDX-License-Identifier: Apache-2.0
// Jinja's filters of text.
#include <algorithm>

#include "runtime/chat/filters.h"
#include "runtime/chat/json_reader.h"
#include "runtime/chat/strings.h"
#include "runtime/chat/text_format.h"

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
  return c.in.string(std::move(out));
}

Value f_wordcount(const FilterCall& c) { return Value::integer(int64_t(split(c.text(), "", -1, false).size())); }

Value f_center(const FilterCall& c) {
  std::string s = c.text();
  int64_t width = std::max(c.integer(0, "width", 80), int64_t{0}), n = int64_t(count_letters(s));
  if (width > 1 << 20) return c.in.fail("a width is too large");
  int64_t pad = std::max(width - n, int64_t{0}), left = pad / 2 + (pad & width & 1);
  return c.in.string(std::string(size_t(left), ' ') + s + std::string(size_t(pad - left), ' '));
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
    style.indent = int(std::clamp(c.integer(1, "indent", 0), int64_t{0}, int64_t{64}));
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
      {"capitalize", f_capitalize},
      {"center", f_center},
      {"e", f_escape},
      {"escape", f_escape},
      {"forceescape", f_forceescape},
      {"format", f_format},
      {"from_json", f_from_json},
      {"indent", f_indent},
      {"lower", f_lower},
      {"replace", f_replace},
      {"safe", f_safe},
      {"string", f_string},
      {"title", f_title},
      {"tojson", f_tojson},
      {"trim", f_trim},
      {"upper", f_upper},
      {"wordcount", f_wordcount},
  };
  return kRows;
}

}  // namespace sluice::jinja
