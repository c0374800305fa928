// SPDX-License-Identifier: Apache-2.0
// The methods of Python's str, and of Markup where a text is safe.
#include "runtime/chat/calls.h"
#include "runtime/chat/digits.h"
#include "runtime/chat/strings.h"
#include "runtime/chat/text_format.h"
#include "runtime/tokenizer/unicode.h"

namespace sluice::jinja {
namespace {

struct Row {
  std::string_view name;
  uint8_t least, most;  // arguments
};

constexpr Row kRows[] = {
    {"capitalize", 0, 0}, {"casefold", 0, 0},  {"center", 1, 2},    {"count", 1, 3},        {"endswith", 1, 3},
    {"find", 1, 3},       {"format", 0, 255},  {"index", 1, 3},     {"isalnum", 0, 0},      {"isalpha", 0, 0},
    {"isascii", 0, 0},    {"isdecimal", 0, 0}, {"isdigit", 0, 0},   {"islower", 0, 0},      {"isnumeric", 0, 0},
    {"isspace", 0, 0},    {"istitle", 0, 0},   {"isupper", 0, 0},   {"join", 1, 1},         {"ljust", 1, 2},
    {"lower", 0, 0},      {"lstrip", 0, 1},    {"partition", 1, 1}, {"removeprefix", 1, 1}, {"removesuffix", 1, 1},
    {"replace", 2, 3},    {"rfind", 1, 3},     {"rindex", 1, 3},    {"rjust", 1, 2},        {"rpartition", 1, 1},
    {"rsplit", 0, 2},     {"rstrip", 0, 1},    {"split", 0, 2},     {"splitlines", 0, 1},   {"startswith", 1, 3},
    {"strip", 0, 1},      {"swapcase", 0, 0},  {"title", 0, 0},     {"upper", 0, 0},        {"zfill", 1, 1}};

const Row* find_row(std::string_view name) {
  auto row = std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.name == name; });
  return row == std::end(kRows) ? nullptr : &*row;
}

bool all_letters(const std::string& s, bool (*fits)(uint32_t c)) {
  if (s.empty()) return false;
  for (std::string_view rest = s; !rest.empty();) {
    if (!fits(take_code_point(rest))) return false;
  }
  return true;
}

bool cased(const std::string& s, bool upper) {
  bool any = false;
  for (std::string_view rest = s; !rest.empty();) {
    const uint8_t bits = class_of(take_code_point(rest));
    if (bits & (upper ? kLower : kUpper)) return false;
    any = any || (bits & (upper ? kUpper : kLower));
  }
  return any;
}

// Whether words begin with capitals and go on in small letters.
bool title_cased(const std::string& s) {
  bool any = false, inside = false;
  for (std::string_view rest = s; !rest.empty();) {
    const uint8_t bits = class_of(take_code_point(rest));
    if ((bits & kUpper && inside) || (bits & kLower && !inside)) return false;
    inside = bits & (kUpper | kLower);
    any = any || inside;
  }
  return any;
}

Value is_kind(std::string_view name, const std::string& s) {
  auto all = [&](bool (*fits)(uint32_t)) { return Value::boolean(all_letters(s, fits)); };
  if (name == "isupper" || name == "islower") return Value::boolean(cased(s, name == "isupper"));
  if (name == "istitle") return Value::boolean(title_cased(s));
  if (name == "isspace") return all(is_blank);
  if (name == "isascii") return Value::boolean(s.empty() || all_letters(s, [](uint32_t l) { return l < 0x80; }));
  if (name == "isalpha") return all([](uint32_t l) { return (class_of(l) & kLetter) != 0; });
  if (name == "isalnum") return all([](uint32_t l) { return (class_of(l) & (kLetter | kNumber)) != 0; });
  if (name == "isdecimal") return all([](uint32_t l) { return decimal_value(l) >= 0; });
  if (name == "isdigit") return all(is_digit);
  return all([](uint32_t l) { return (class_of(l) & kNumber) != 0; });  // isnumeric
}

Value parts_of(const MethodCall& c, const Value& self, const std::vector<std::string_view>& parts,
               ListKind kind = ListKind::kList) {
  if (!c.in.work(kItemWork * parts.size())) return {};
  std::vector<Value> items;
  for (std::string_view part : parts) items.push_back(Value::string(std::string(part), self.safe()));
  return c.in.list(std::move(items), kind);
}

// The part of a text that the arguments "start" and "end" (the second and third) leave; `from`: its place in code
// points, larger than the text where there is nothing to find in it.
std::string_view searched(const MethodCall& c, std::string_view s, int64_t& from) {
  const int64_t n = int64_t(count_letters(s));
  auto bound = [&](int64_t i) { return std::clamp(i < 0 ? i + n : i, int64_t{0}, n); };
  from = c.integer(1, "", 0);
  if (from > n) return {};
  from = bound(from);
  const int64_t end = bound(c.integer(2, "", n));
  if (from > end) {
    from = n + 1;
    return {};
  }
  const size_t begin = letter_offset(s, size_t(from));
  return s.substr(begin, letter_offset(s.substr(begin), size_t(end - from)));
}

Value starts_or_ends(const MethodCall& c, const std::string& s) {
  const Value* what = c.get(0, "");
  int64_t from = 0;
  const std::string_view part = searched(c, s, from);
  if (!what) return c.wrong();
  const bool tuple = what->is(Kind::kList) && what->list().list_kind == ListKind::kTuple;
  for (const Value& option : tuple ? c.in.iterate(*what) : std::vector<Value>{*what}) {
    if (!option.is(Kind::kString)) return c.wrong();
    const std::string& t = option.text();
    if (t.size() > part.size() || from > int64_t(s.size())) continue;
    if (!c.in.work(kByteWork * t.size())) return {};
    if (part.compare(c.name == "startswith" ? 0 : part.size() - t.size(), t.size(), t) == 0)
      return Value::boolean(true);
  }
  return Value::boolean(false);
}

Value replace(const MethodCall& c, const Value& self) {
  const std::string& s = self.text();
  const std::string* what = c.text(0, "");
  const Value* new_text = c.get(1, "");
  if (!what || !new_text || !new_text->is(Kind::kString)) return c.wrong();
  const std::string by = self.safe() ? c.in.markup_of(*new_text) : new_text->text();
  const int64_t limit = c.integer(2, "", -1);
  if (!c.in.search(s, *what) || !c.in.search(s, *what)) return {};  // once to count them
  uint64_t n = occurrences(s, *what);
  if (limit >= 0) n = std::min(n, uint64_t(limit));
  if (by.size() > 0 && n > c.in.limits().max_output_bytes / by.size()) return c.in.fail("a replaced text is too long");
  return c.in.string(replaced(s, *what, by, limit), self.safe());
}

Value find(const MethodCall& c, const std::string& s) {
  const std::string* what = c.text(0, "");
  int64_t from = 0;
  const std::string_view part = searched(c, s, from);
  if (!what) return c.wrong();
  if (!c.in.search(s, *what)) return {};
  const bool right = c.name[0] == 'r', must = c.name.back() == 'x';  // rfind, rindex; index, rindex
  const size_t at = from > int64_t(s.size()) ? part.npos : Finder(*what, right).find(part);
  if (at == part.npos) return must ? c.in.fail("substring not found") : Value::integer(-1);
  return Value::integer(from + int64_t(count_letters(part.substr(0, at))));
}

Value count(const MethodCall& c, const std::string& s) {
  const std::string* what = c.text(0, "");
  int64_t from = 0;
  const std::string_view part = searched(c, s, from);
  if (!what) return c.wrong();
  if (!c.in.search(s, *what)) return {};
  return Value::integer(from > int64_t(s.size()) ? 0 : int64_t(occurrences(part, *what)));
}

Value partition(const MethodCall& c, const Value& self) {
  const std::string& s = self.text();
  const std::string* separator = c.text(0, "");
  if (!separator || separator->empty()) return c.wrong();
  const bool right = c.name == "rpartition";
  if (!c.in.search(s, *separator)) return {};
  const size_t at = Finder(*separator, right).find(s);
  const std::string_view v = s;
  std::vector<std::string_view> parts = {v.substr(0, at), *separator, ""};
  if (at != s.npos)
    parts[2] = v.substr(at + separator->size());
  else
    parts = right ? std::vector<std::string_view>{"", "", v} : std::vector<std::string_view>{v, "", ""};
  return parts_of(c, self, parts, ListKind::kTuple);
}

Value split_text(const MethodCall& c, const Value& self) {
  const std::string& s = self.text();
  const std::string* separator = c.text(0, "sep");
  if (separator && separator->empty()) return c.in.fail("an empty separator");
  if (c.get(0, "sep") && !separator) return c.wrong();
  if (separator && !c.in.search(s, *separator)) return {};
  return parts_of(c, self, split(s, separator ? *separator : "", c.integer(1, "maxsplit", -1), c.name == "rsplit"));
}

Value split_at_lines(const MethodCall& c, const Value& self) {
  const Value* keep = c.get(0, "keepends");
  std::vector<std::string_view> lines = split_lines(self.text());
  if (keep && truth(*keep)) {
    const char* const end = self.text().data() + self.text().size();
    for (size_t k = 0; k < lines.size(); ++k) {
      const char* next = k + 1 < lines.size() ? lines[k + 1].data() : end;
      lines[k] = {lines[k].data(), size_t(next - lines[k].data())};
    }
  }
  return parts_of(c, self, lines);
}

Value justified(const MethodCall& c, const Value& self) {
  const std::string& s = self.text();
  const int64_t width = std::max(c.integer(0, "", 0), int64_t{0}), n = int64_t(count_letters(s));
  if (width > 1 << 20) return c.in.fail("a width is too large");
  const std::string* fill = c.text(1, "");
  if (c.get(1, "") && (!fill || count_letters(*fill) != 1)) return c.wrong();
  const std::string filler = c.name == "zfill" ? "0" : fill ? *fill : " ";
  const size_t all = size_t(std::max(width - n, int64_t{0}));
  size_t left = c.name == "ljust" ? 0 : all;
  if (c.name == "center") left = all / 2 + (all & size_t(width) & 1);
  auto pad = [&](size_t times) {
    std::string padding;
    while (times-- > 0) padding += filler;
    return padding;
  };
  if (!c.in.work(kByteWork * 4 * all)) return {};
  const size_t sign = c.name == "zfill" && !s.empty() && (s[0] == '-' || s[0] == '+');
  return c.in.string(s.substr(0, sign) + pad(left) + s.substr(sign) + pad(all - left), self.safe());
}

Value join(const MethodCall& c, const Value& self) {
  std::string out;
  bool first = true;
  for (const Value& item : c.in.iterate(c.arguments.positional[0])) {
    if (c.in.failed() || out.size() > c.in.limits().max_output_bytes || !c.in.step()) break;
    if (!item.is(Kind::kString) && !self.safe())
      return c.in.fail(std::string("join() needs strings, found a ") + type_name(item));
    if (!first) out += self.text();
    first = false;
    out += self.safe() ? c.in.markup_of(item) : item.text();
  }
  return c.in.string(std::move(out), self.safe());
}

Value without(const MethodCall& c, const Value& self) {
  const std::string& s = self.text();
  const std::string* part = c.text(0, "");
  if (!part) return c.wrong();
  const bool prefix = c.name == "removeprefix";
  if (part->size() > s.size() || s.compare(prefix ? 0 : s.size() - part->size(), part->size(), *part) != 0) return self;
  return c.in.string(prefix ? s.substr(part->size()) : s.substr(0, s.size() - part->size()), self.safe());
}

}  // namespace

bool has_string_method(std::string_view name) { return find_row(name) != nullptr; }

Value string_method(const MethodCall& c, const Value& self) {
  const std::string& s = self.text();
  const std::string_view name = c.name;
  const Row* row = find_row(name);
  const size_t given = c.arguments.positional.size() + c.arguments.named.size();
  const bool names = name.find("split") != name.npos || name == "format";
  if (!row || given < row->least || given > row->most || (!names && !c.arguments.named.empty())) return c.wrong();
  if (!c.in.work(3 * kLetterWork * s.size())) return {};
  auto text = [&](std::string result) { return c.in.string(std::move(result), self.safe()); };
  if (name == "upper") return text(to_upper(s));
  if (name == "lower") return text(to_lower(s));
  if (name == "casefold") return text(replaced(to_lower(s), "ß", "ss", -1));
  if (name == "capitalize") return text(capitalized(s));
  if (name == "title") return text(python_titled(s));
  if (name == "swapcase") return text(swapped(s));
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const std::string* characters = c.text(0, "");
    if (c.get(0, "") && !characters) return c.wrong();
    if (characters && !c.in.work(kLetterWork * characters->size())) return {};
    return text(std::string(strip(s, characters, name != "rstrip", name != "lstrip")));
  }
  if (name == "split" || name == "rsplit") return split_text(c, self);
  if (name == "splitlines") return split_at_lines(c, self);
  if (name == "startswith" || name == "endswith") return starts_or_ends(c, s);
  if (name == "replace") return replace(c, self);
  if (name == "find" || name == "rfind" || name == "index" || name == "rindex") return find(c, s);
  if (name == "count") return count(c, s);
  if (name == "partition" || name == "rpartition") return partition(c, self);
  if (name == "format") return brace_format(c.in, self, c.arguments);
  if (name == "center" || name == "ljust" || name == "rjust" || name == "zfill") return justified(c, self);
  if (name == "join") return join(c, self);
  if (name == "removeprefix" || name == "removesuffix") return without(c, self);
  return is_kind(name, s);
}

}  // namespace sluice::jinja
