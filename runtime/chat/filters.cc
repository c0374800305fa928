// SPDX-License-Identifier: Apache-2.0
// Jinja's filters, and tojson as transformers defines it. One function each; the table at the end names them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

#include "runtime/chat/interpreter.h"
#include "runtime/chat/json_reader.h"
#include "runtime/chat/parser.h"
#include "runtime/chat/strings.h"

namespace sluice::jinja {
namespace {

struct Call {
  Interpreter& in;
  const Value& v;
  const Arguments& arguments;

  const Value* get(size_t place, std::string_view name) const { return arguments.get(place, name); }
  bool flag(size_t place, std::string_view name, bool otherwise) const {
    const Value* a = get(place, name);
    return a ? truth(*a) : otherwise;
  }
  int64_t integer(size_t place, std::string_view name, int64_t otherwise) const {
    const Value* a = get(place, name);
    if (!a) return otherwise;
    if (!a->integral()) in.fail("'" + std::string(name) + "' must be an integer, found a " + type_name(*a));
    return a->integral() ? a->as_int() : otherwise;
  }
  // Nearly all that filters do with a text looks at its letters once.
  std::string text() const {
    std::string s = in.printed(v);
    return in.work(kLetterWork * s.size()) ? s : "";
  }
  // The rest of the arguments, for the filter or test that map and select apply.
  Arguments rest(size_t from) const {
    Arguments r;
    for (size_t k = from; k < arguments.positional.size(); ++k) r.positional.push_back(arguments.positional[k]);
    r.named = arguments.named;
    return r;
  }
};

using FilterFunction = Value (*)(const Call& c);

// ---- strings ------------------------------------------------------------------------------------------------------

Value f_string(const Call& c) { return c.v.is(Kind::kString) ? c.v : c.in.string(c.text()); }
Value f_upper(const Call& c) { return c.in.string(to_upper(c.text())); }
Value f_lower(const Call& c) { return c.in.string(to_lower(c.text())); }
Value f_capitalize(const Call& c) { return c.in.string(capitalized(c.text())); }
Value f_title(const Call& c) { return c.in.string(titled(c.text())); }

Value f_trim(const Call& c) {
  const Value* characters = c.get(0, "chars");
  bool given = characters && characters->is(Kind::kString);
  if (given && !c.in.work(kLetterWork * characters->text().size())) return {};
  return c.in.string(std::string(strip(c.text(), given ? &characters->text() : nullptr, true, true)));
}

Value f_replace(const Call& c) {
  const Value *what = c.get(0, "old"), *by = c.get(1, "new");
  if (!what || !by) return c.in.fail("replace needs two arguments");
  Arguments arguments{{*what, *by}, {}};
  if (const Value* count = c.get(2, "count"); count && !count->is(Kind::kNone)) arguments.positional.push_back(*count);
  return c.in.method(Value::string(c.text()), "replace", arguments);
}

Value f_escape(const Call& c) {
  std::string out;
  for (char l : c.text()) {
    switch (l) {
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
        out += l;
    }
  }
  return c.in.string(std::move(out));
}

Value f_indent(const Call& c) {
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

Value f_wordcount(const Call& c) { return Value::integer(int64_t(split(c.text(), "", -1, false).size())); }

Value f_center(const Call& c) {
  std::string s = c.text();
  int64_t width = std::max(c.integer(0, "width", 80), int64_t{0}), n = int64_t(count_letters(s));
  if (width > 1 << 20) return c.in.fail("a width is too large");
  int64_t pad = std::max(width - n, int64_t{0}), left = pad / 2 + (pad & width & 1);
  return c.in.string(std::string(size_t(left), ' ') + s + std::string(size_t(pad - left), ' '));
}

// "%s" | format(x), the part of printf-style formatting that templates use.
Value f_format(const Call& c) {
  std::string pattern = c.text(), out;
  size_t next = 0;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '%') {
      out += pattern[i];
      continue;
    }
    char kind = ++i < pattern.size() ? pattern[i] : '\0';
    if (kind == '%') {
      out += '%';
      continue;
    }
    if (next >= c.arguments.positional.size()) return c.in.fail("not enough arguments for a format string");
    const Value& v = c.arguments.positional[next++];
    if (kind == 's') {
      out += c.in.printed(v);
    } else if (kind == 'r') {
      out += c.in.printed(v, true);
    } else if ((kind == 'd' || kind == 'i') && v.numeric()) {
      out += v.integral() ? std::to_string(v.as_int()) : c.in.printed(Value::number(std::trunc(v.d)));
    } else {
      return c.in.fail("unknown format '%" + std::string(1, kind) + "' for a " + type_name(v));
    }
    if (c.in.failed() || out.size() > c.in.limits().max_output_bytes) break;
  }
  if (next < c.arguments.positional.size()) return c.in.fail("too many arguments for a format string");
  return c.in.string(std::move(out));
}

Value f_tojson(const Call& c) {
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
Value f_from_json(const Call& c) {
  const std::string text = c.text();
  if (!c.in.work(kParseWork * text.size())) return {};
  Result<Value> v = read_json(text);
  return v.ok() ? c.in.checked(std::move(*v)) : c.in.fail("from_json: " + v.error().message);
}

// ---- numbers ------------------------------------------------------------------------------------------------------

Value f_int(const Call& c) {
  Value otherwise = Value::integer(c.integer(0, "default", 0));
  int64_t base = c.integer(1, "base", 10);
  double d = 0;
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

Value f_float(const Call& c) {
  if (c.v.numeric()) return Value::number(c.v.as_double());
  const Value* otherwise = c.get(0, "default");
  if (c.v.is(Kind::kString) && c.v.text().size() < 64) {
    if (const auto number = read_number(strip(c.v.text(), nullptr, true, true))) return Value::number(*number);
  }
  return otherwise ? *otherwise : Value::number(0);
}

Value f_abs(const Call& c) {
  if (!c.v.numeric()) return c.in.fail(std::string("a ") + type_name(c.v) + " has no absolute value");
  if (c.v.is(Kind::kFloat)) return Value::number(std::abs(c.v.d));
  return c.v.as_int() < 0 ? c.in.binary(Op::kSubtract, Value::integer(0), c.v) : Value::integer(c.v.as_int());
}

Value f_round(const Call& c) {
  if (!c.v.numeric()) return c.in.fail(std::string("a ") + type_name(c.v) + " cannot be rounded");
  int64_t precision = c.integer(0, "precision", 0);
  const Value* method = c.get(1, "method");
  std::string how = method ? c.in.printed(*method) : "common";
  if (precision < 0 || precision > 15) return c.in.fail("a precision must be 0 to 15");
  double d = c.v.as_double();
  if (how == "common") {
    char text[400];
    snprintf(text, sizeof text, "%.*f", int(precision), d);
    for (char* p = text; *p; ++p) {
      if (*p == ',') *p = '.';
    }
    const std::optional<double> rounded = read_number(text);
    return rounded ? Value::number(*rounded) : c.v;
  }
  double scale = std::pow(10.0, double(precision));
  return Value::number((how == "ceil" ? std::ceil(d * scale) : std::floor(d * scale)) / scale);
}

// ---- collections --------------------------------------------------------------------------------------------------

Value f_length(const Call& c) {
  if (c.v.is(Kind::kString)) {
    if (!c.in.work(kByteWork * c.v.text().size())) return {};
    return Value::integer(int64_t(count_letters(c.v.text())));
  }
  if (c.v.is(Kind::kDict)) return Value::integer(int64_t(c.v.dict().items.size()));
  if (c.v.is(Kind::kList)) return Value::integer(int64_t(c.v.list().items.size()));
  if (c.v.undefined()) return Value::integer(0);
  return c.in.fail(std::string("a ") + type_name(c.v) + " has no length");
}

Value f_first(const Call& c) {
  std::vector<Value> items = c.in.iterate(c.v);
  return items.empty() ? Value() : items.front();
}

Value f_last(const Call& c) {
  std::vector<Value> items = c.in.iterate(c.v);
  return items.empty() ? Value() : items.back();
}

Value f_list(const Call& c) { return c.in.list(c.in.iterate(c.v)); }

Value f_items(const Call& c) {
  if (c.v.undefined()) return make_list({});
  if (!c.v.is(Kind::kDict)) return c.in.fail(std::string("items needs a mapping, found a ") + type_name(c.v));
  return c.in.method(c.v, "items", {});
}

Value f_reverse(const Call& c) {
  std::vector<Value> items = c.in.iterate(c.v);
  std::reverse(items.begin(), items.end());
  if (!c.v.is(Kind::kString)) return c.in.list(std::move(items), ListKind::kGenerator);
  std::string s;
  for (const Value& item : items) s += item.text();
  return c.in.string(std::move(s));
}

Value f_join(const Call& c) {
  const Value *separator = c.get(0, "d"), *attribute = c.get(1, "attribute");
  std::string between = separator ? c.in.printed(*separator) : "", s;
  bool first = true;
  for (const Value& item : c.in.iterate(c.v)) {
    if (c.in.failed() || s.size() > c.in.limits().max_output_bytes || !c.in.step()) break;
    if (!first) s += between;
    first = false;
    s += c.in.printed(attribute ? c.in.path(item, *attribute) : item);
  }
  return c.in.string(std::move(s));
}

Value f_default(const Call& c) {
  const Value* otherwise = c.get(0, "default_value");
  bool missing = c.v.undefined() || (c.flag(1, "boolean", false) && !truth(c.v));
  return !missing ? c.v : otherwise ? *otherwise : Value::string("");
}

Value f_attr(const Call& c) {
  const Value* name = c.get(0, "name");
  return name && name->is(Kind::kString) ? c.in.attribute(c.v, name->text()) : Value();
}

// A key as it is compared: strings without case unless asked for.
Value folded(const Call& c, const Value& key, bool case_sensitive) {
  if (!key.is(Kind::kString) || case_sensitive) return key;
  if (!c.in.work(kItemWork + kLetterWork * key.text().size())) return {};
  return Value::string(to_lower(key.text()));
}

// Sorts by keys, one per item.
Value sorted(const Call& c, std::vector<std::pair<Value, Value>> keyed, bool case_sensitive, bool reverse,
             ListKind kind = ListKind::kList) {
  uint64_t weight = 0;
  for (auto& [key, item] : keyed) {
    key = folded(c, key, case_sensitive);
    weight += kItemWork + weight_of(key);
    const int order = c.in.order(key, keyed[0].first);
    if (c.in.failed()) return {};
    if (order == 2) {
      return c.in.fail(std::string("a ") + type_name(key) + " and a " + type_name(keyed[0].first) + " have no order");
    }
  }
  // Parts of lists may still be without order; then they count as equal to what they are compared with.
  bool lists = !keyed.empty() && keyed[0].first.is(Kind::kList);
  if (lists) return c.in.fail("lists cannot be sorted here");
  // Merging looks at each key about once a level.
  uint64_t levels = 1;
  while (keyed.size() >> levels) ++levels;
  if (!c.in.work(levels * weight)) return {};
  Work charged;
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse ? compare(b.first, a.first, charged) == -1 : compare(a.first, b.first, charged) == -1;
  });
  std::vector<Value> items;
  for (auto& entry : keyed) items.push_back(std::move(entry.second));
  return c.in.list(std::move(items), kind);
}

std::vector<std::pair<Value, Value>> keyed_items(const Call& c, const Value* attribute) {
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : c.in.iterate(c.v)) {
    if (c.in.failed() || !c.in.step()) break;
    bool whole = !attribute || attribute->is(Kind::kNone);
    keyed.emplace_back(whole ? item : c.in.path(item, *attribute), item);
  }
  return keyed;
}

Value f_sort(const Call& c) {
  return sorted(c, keyed_items(c, c.get(2, "attribute")), c.flag(1, "case_sensitive", false),
                c.flag(0, "reverse", false));
}

Value f_dictsort(const Call& c) {
  if (!c.v.is(Kind::kDict)) return c.in.fail(std::string("dictsort needs a mapping, found a ") + type_name(c.v));
  const Value* by = c.get(1, "by");
  bool by_value = by && by->is(Kind::kString) && by->text() == "value";
  std::vector<std::pair<Value, Value>> keyed;
  if (!c.in.work(3 * kItemWork * c.v.dict().items.size())) return {};
  for (const auto& [key, value] : c.v.dict().items) {
    keyed.emplace_back(by_value ? value : key, make_list({key, value}, ListKind::kTuple));
  }
  return sorted(c, std::move(keyed), c.flag(0, "case_sensitive", false), c.flag(2, "reverse", false));
}

Value f_unique(const Call& c) {
  bool case_sensitive = c.flag(0, "case_sensitive", false);
  std::vector<Value> seen, items;
  for (auto& [key, item] : keyed_items(c, c.get(1, "attribute"))) {
    Value k = folded(c, key, case_sensitive);
    auto again = [&](const Value& s) { return c.in.failed() || c.in.equals(s, k); };
    if (std::any_of(seen.begin(), seen.end(), again)) continue;
    if (c.in.failed()) break;
    seen.push_back(std::move(k));
    items.push_back(item);
  }
  return c.in.list(std::move(items), ListKind::kGenerator);
}

Value f_groupby(const Call& c) {
  const Value* attribute = c.get(0, "attribute");
  if (!attribute) return c.in.fail("groupby needs an attribute");
  bool case_sensitive = c.flag(2, "case_sensitive", false);
  std::vector<std::pair<Value, Value>> keyed;
  for (auto& [key, item] : keyed_items(c, attribute)) {
    if (!c.in.work(3 * kItemWork)) return {};
    keyed.emplace_back(key, make_list({key, item}, ListKind::kTuple));
  }
  Value all = sorted(c, std::move(keyed), case_sensitive, false);
  std::vector<std::pair<Value, std::vector<Value>>> groups;
  if (c.in.failed()) return {};
  for (const Value& pair : all.list().items) {
    const Value& key = pair.list().items[0];
    if (groups.empty() ||
        !c.in.equals(folded(c, groups.back().first, case_sensitive), folded(c, key, case_sensitive))) {
      groups.push_back({key, {}});
    }
    if (!c.in.work(2 * kItemWork)) return {};
    groups.back().second.push_back(pair.list().items[1]);
  }
  std::vector<Value> out;
  for (auto& [key, items] : groups) out.push_back(make_list({key, make_list(std::move(items))}, ListKind::kTuple));
  return c.in.list(std::move(out));
}

// select, reject, selectattr, rejectattr
Value selected(const Call& c, bool by_attribute, bool wanted) {
  size_t first = by_attribute ? 1 : 0;
  if (by_attribute && c.arguments.positional.empty()) return c.in.fail("an attribute is missing");
  const Value* name = c.get(first, "");
  if (name && !name->is(Kind::kString)) return c.in.fail("the name of a test must be a string");
  Arguments rest = c.rest(first + 1);
  std::vector<Value> kept;
  if (!truth(c.v)) return make_list({}, ListKind::kGenerator);  // none too
  for (const Value& item : c.in.iterate(c.v)) {
    if (c.in.failed() || !c.in.step()) break;
    Value v = by_attribute ? c.in.path(item, c.arguments.positional[0]) : item;
    bool yes = name ? c.in.test(name->text(), v, rest) : truth(v);
    if (yes == wanted) kept.push_back(item);
  }
  return c.in.list(std::move(kept), ListKind::kGenerator);
}

Value f_map(const Call& c) {
  std::vector<Value> out;
  const Value* attribute = c.arguments.get(size_t(-1), "attribute");
  const Value* otherwise = c.arguments.get(size_t(-1), "default");
  const Value* name = c.get(0, "filter");
  if (!attribute && (!name || !name->is(Kind::kString))) return c.in.fail("map needs a filter or an attribute");
  Arguments rest = c.rest(1);
  if (!truth(c.v)) return make_list({}, ListKind::kGenerator);
  for (const Value& item : c.in.iterate(c.v)) {
    if (c.in.failed() || !c.in.step()) break;
    Value v = attribute ? c.in.path(item, *attribute) : c.in.filter(name->text(), item, rest);
    out.push_back(v.undefined() && otherwise ? *otherwise : v);
  }
  return c.in.list(std::move(out), ListKind::kGenerator);
}

Value f_batch(const Call& c) {
  int64_t n = c.integer(0, "linecount", 0);
  if (n < 1) return c.in.fail("a batch needs at least one item");
  const Value* fill = c.get(1, "fill_with");
  std::vector<Value> rows, row;
  for (const Value& item : c.in.iterate(c.v)) {
    if (!c.in.work(3 * kItemWork)) break;
    row.push_back(item);
    if (int64_t(row.size()) == n) rows.push_back(make_list(std::exchange(row, {})));
  }
  if (!row.empty()) {
    while (fill && !fill->is(Kind::kNone) && int64_t(row.size()) < n && c.in.step()) row.push_back(*fill);
    rows.push_back(make_list(std::move(row)));
  }
  return c.in.list(std::move(rows), ListKind::kGenerator);
}

Value f_sum(const Call& c) {
  const Value* start = c.get(1, "start");
  Value total = start ? *start : Value::integer(0);
  for (auto& [key, item] : keyed_items(c, c.get(0, "attribute"))) {
    total = c.in.binary(Op::kAdd, total, key);
    if (c.in.failed()) break;
  }
  return total;
}

Value extreme(const Call& c, int sign) {
  bool case_sensitive = c.flag(0, "case_sensitive", false);
  Value best, best_key;
  for (auto& [key, item] : keyed_items(c, c.get(1, "attribute"))) {
    Value k = folded(c, key, case_sensitive);
    int order = best_key.undefined() ? sign : c.in.order(k, best_key);
    if (c.in.failed()) break;
    if (order == 2)
      return c.in.fail(std::string("a ") + type_name(k) + " and a " + type_name(best_key) + " have no order");
    if (order == sign) best = item, best_key = k;
  }
  return best;
}

const std::map<std::string_view, FilterFunction>& filters() {
  // safe: nothing is escaped by itself, so there is nothing to protect. (In jinja2 a "safe" string escapes what is
  // added to it; templates that use it do not mean that.)
  static const FilterFunction same = [](const Call& c) { return c.v; };
  static const std::map<std::string_view, FilterFunction> table = {
      {"abs", f_abs},
      {"attr", f_attr},
      {"batch", f_batch},
      {"capitalize", f_capitalize},
      {"center", f_center},
      {"count", f_length},
      {"d", f_default},
      {"default", f_default},
      {"dictsort", f_dictsort},
      {"e", f_escape},
      {"escape", f_escape},
      {"first", f_first},
      {"float", f_float},
      {"forceescape", f_escape},
      {"format", f_format},
      {"from_json", f_from_json},
      {"groupby", f_groupby},
      {"indent", f_indent},
      {"int", f_int},
      {"items", f_items},
      {"join", f_join},
      {"last", f_last},
      {"length", f_length},
      {"list", f_list},
      {"lower", f_lower},
      {"map", f_map},
      {"max", [](const Call& c) { return extreme(c, 1); }},
      {"min", [](const Call& c) { return extreme(c, -1); }},
      {"reject", [](const Call& c) { return selected(c, false, false); }},
      {"rejectattr", [](const Call& c) { return selected(c, true, false); }},
      {"replace", f_replace},
      {"reverse", f_reverse},
      {"round", f_round},
      {"safe", same},
      {"select", [](const Call& c) { return selected(c, false, true); }},
      {"selectattr", [](const Call& c) { return selected(c, true, true); }},
      {"sort", f_sort},
      {"string", f_string},
      {"sum", f_sum},
      {"title", f_title},
      {"tojson", f_tojson},
      {"trim", f_trim},
      {"unique", f_unique},
      {"upper", f_upper},
      {"wordcount", f_wordcount},
  };
  return table;
}

}  // namespace

bool known_filter(std::string_view name) { return filters().count(name) != 0; }

Value Interpreter::filter(std::string_view name, const Value& v, const Arguments& arguments) {
  Deeper deeper(*this);  // map may apply map
  auto it = filters().find(name);
  if (it == filters().end()) return fail("unknown filter '" + std::string(name) + "'");
  if (failed_ || !step() || !work(kItemWork * arguments.named.size())) return {};
  Value result = it->second(Call{*this, v, arguments});
  return failed_ ? Value() : result;
}

}  // namespace sluice::jinja
