// SPDX-License-Identifier: Apache-2.0
// The methods of strings, dicts and lists, and the functions that a template finds.
#include <algorithm>
#include <ctime>
#include <iterator>

#include "runtime/chat/interpreter.h"
#include "runtime/chat/strings.h"
#include "runtime/tokenizer/unicode.h"

namespace sluice::jinja {
namespace {

constexpr std::string_view kStringMethods[] = {
    "capitalize",   "count",        "endswith", "find",    "format", "index",      "isalnum", "isalpha", "isdigit",
    "islower",      "isnumeric",    "isspace",  "isupper", "join",   "ljust",      "lower",   "lstrip",  "partition",
    "removeprefix", "removesuffix", "replace",  "rfind",   "rjust",  "rpartition", "rsplit",  "rstrip",  "split",
    "splitlines",   "startswith",   "strip",    "title",   "upper",  "zfill"};
constexpr std::string_view kDictMethods[] = {"copy", "get", "items", "keys", "values"};
constexpr std::string_view kListMethods[] = {"append", "copy", "count", "index", "pop"};
constexpr std::string_view kLoopMethods[] = {"changed", "cycle"};
constexpr std::string_view kFunctions[] = {"raise_exception", "strftime_now", "range", "namespace", "dict"};

template <class Names>
bool among(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

struct Call {
  Interpreter& in;
  const Arguments& arguments;
  std::string_view name;

  const Value* get(size_t place, std::string_view n) const {
    const Value* v = arguments.get(place, n);
    return v && v->is(Kind::kNone) ? nullptr : v;
  }
  const std::string* text(size_t place, std::string_view n) const {
    const Value* v = get(place, n);
    return v && v->is(Kind::kString) ? &v->text() : nullptr;
  }
  int64_t integer(size_t place, std::string_view n, int64_t otherwise) const {
    const Value* v = get(place, n);
    return v && v->integral() ? v->as_int() : otherwise;
  }
  Value wrong() const { return in.fail("wrong arguments for '" + std::string(name) + "'"); }
};

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
    uint8_t bits = class_of(take_code_point(rest));
    if (bits & (upper ? kLower : kUpper)) return false;
    any = any || (bits & (upper ? kUpper : kLower));
  }
  return any;
}

Value parts_of(Interpreter& in, const std::vector<std::string_view>& parts, ListKind kind = ListKind::kList) {
  if (!in.work(kItemWork * parts.size())) return {};
  std::vector<Value> items;
  for (std::string_view part : parts) items.push_back(Value::string(std::string(part)));
  return in.list(std::move(items), kind);
}

Value starts_or_ends(const Call& c, const std::string& s) {
  const Value* what = c.get(0, "prefix");
  if (!what) return c.wrong();
  std::vector<Value> options = what->is(Kind::kList) ? c.in.iterate(*what) : std::vector<Value>{*what};
  for (const Value& option : options) {
    if (!option.is(Kind::kString)) return c.wrong();
    const std::string& t = option.text();
    if (t.size() > s.size()) continue;
    if (!c.in.work(kByteWork * t.size())) return {};
    if (s.compare(c.name == "startswith" ? 0 : s.size() - t.size(), t.size(), t) == 0) return Value::boolean(true);
  }
  return Value::boolean(false);
}

Value replace(const Call& c, const std::string& s) {
  const std::string *what = c.text(0, "old"), *by = c.text(1, "new");
  if (!what || !by) return c.wrong();
  int64_t limit = c.integer(2, "count", -1);
  if (!c.in.search(s, *what) || !c.in.search(s, *what)) return {};  // once to count them
  uint64_t n = occurrences(s, *what);
  if (limit >= 0) n = std::min(n, uint64_t(limit));
  if (by->size() > 0 && n > c.in.limits().max_output_bytes / by->size())
    return c.in.fail("a replaced text is too long");
  return c.in.string(replaced(s, *what, *by, limit));
}

Value find(const Call& c, const std::string& s) {
  const std::string* what = c.text(0, "sub");
  if (!what || c.arguments.positional.size() > 1) return c.wrong();
  if (!c.in.search(s, *what)) return {};
  size_t at = Finder(*what, c.name == "rfind").find(s);
  if (at == s.npos && c.name == "index") return c.in.fail("substring not found");
  return Value::integer(at == s.npos ? -1 : int64_t(count_letters(std::string_view(s).substr(0, at))));
}

Value partition(const Call& c, const std::string& s) {
  const std::string* separator = c.text(0, "sep");
  if (!separator || separator->empty()) return c.wrong();
  bool right = c.name == "rpartition";
  if (!c.in.search(s, *separator)) return {};
  size_t at = Finder(*separator, right).find(s);
  std::string_view v = s;
  if (at == s.npos) {
    return parts_of(c.in, right ? std::vector<std::string_view>{"", "", v} : std::vector<std::string_view>{v, "", ""},
                    ListKind::kTuple);
  }
  return parts_of(c.in, {v.substr(0, at), *separator, v.substr(at + separator->size())}, ListKind::kTuple);
}

Value justified(const Call& c, const std::string& s) {
  int64_t width = std::max(c.integer(0, "width", 0), int64_t{0}), n = int64_t(count_letters(s));
  if (width > 1 << 20) return c.in.fail("a width is too large");
  const std::string* fill = c.text(1, "fillchar");
  char filler = c.name == "zfill" ? '0' : fill && fill->size() == 1 ? (*fill)[0] : ' ';
  std::string pad(size_t(std::max(width - n, int64_t{0})), filler);
  if (c.name == "ljust") return c.in.string(s + pad);
  size_t sign = c.name == "zfill" && !s.empty() && (s[0] == '-' || s[0] == '+');
  return c.in.string(s.substr(0, sign) + pad + s.substr(sign));
}

// "{} {0} {name}".format(…); no format specifications.
Value format(const Call& c, const std::string& s) {
  std::string out;
  size_t next = 0;
  for (size_t i = 0; i < s.size(); ++i) {
    if ((s[i] == '{' || s[i] == '}') && i + 1 < s.size() && s[i + 1] == s[i]) {
      out += s[i++];
      continue;
    }
    if (s[i] == '}') return c.in.fail("a single '}' in a format string");
    if (s[i] != '{') {
      out += s[i];
      continue;
    }
    size_t end = s.find('}', i);
    if (end == s.npos) return c.in.fail("a single '{' in a format string");
    if (!c.in.work(kStepWork + kNameWork * c.arguments.named.size())) return {};
    std::string field = s.substr(i + 1, end - i - 1);
    i = end;
    bool number = !field.empty() && field.size() < 6 &&
                  std::all_of(field.begin(), field.end(), [](char l) { return l >= '0' && l <= '9'; });
    const Value* v = field.empty() ? c.arguments.get(next++, "")
                     : number      ? c.arguments.get(size_t(std::stoul(field)), "")
                                   : c.arguments.get(size_t(-1), field);
    if (!v) return c.in.fail("no argument for '{" + field + "}', or a format that is not supported");
    out += c.in.printed(*v);
    if (c.in.failed() || out.size() > c.in.limits().max_output_bytes) break;
  }
  return c.in.string(std::move(out));
}

Value string_method(const Call& c, const Value& self) {
  const std::string& s = self.text();
  std::string_view name = c.name;
  if (!c.in.work(kLetterWork * s.size())) return {};
  if (name == "upper") return c.in.string(to_upper(s));
  if (name == "lower") return c.in.string(to_lower(s));
  if (name == "capitalize") return c.in.string(capitalized(s));
  if (name == "title") return c.in.string(titled(s));
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const std::string* characters = c.text(0, "chars");
    if (characters && !c.in.work(kLetterWork * characters->size())) return {};
    return c.in.string(std::string(strip(s, characters, name != "rstrip", name != "lstrip")));
  }
  if (name == "split" || name == "rsplit") {
    const std::string* separator = c.text(0, "sep");
    if (separator && separator->empty()) return c.in.fail("an empty separator");
    if (c.get(0, "sep") && !separator) return c.wrong();
    if (separator && !c.in.search(s, *separator)) return {};
    return parts_of(c.in, split(s, separator ? *separator : "", c.integer(1, "maxsplit", -1), name == "rsplit"));
  }
  if (name == "splitlines") return parts_of(c.in, split_lines(s));
  if (name == "startswith" || name == "endswith") return starts_or_ends(c, s);
  if (name == "replace") return replace(c, s);
  if (name == "find" || name == "rfind" || name == "index") return find(c, s);
  if (name == "partition" || name == "rpartition") return partition(c, s);
  if (name == "format") return format(c, s);
  if (name == "ljust" || name == "rjust" || name == "zfill") return justified(c, s);
  if (name == "join") {
    const Value* items = c.get(0, "iterable");
    if (!items) return c.wrong();
    return c.in.filter("join", *items, Arguments{{self}, {}});
  }
  if (name == "count") {
    const std::string* what = c.text(0, "sub");
    if (!what) return c.wrong();
    return c.in.search(s, *what) ? Value::integer(int64_t(occurrences(s, *what))) : Value();
  }
  if (name == "removeprefix" || name == "removesuffix") {
    const std::string* part = c.text(0, "prefix");
    if (!part) return c.wrong();
    bool prefix = name == "removeprefix";
    bool there = part->size() <= s.size() && s.compare(prefix ? 0 : s.size() - part->size(), part->size(), *part) == 0;
    return !there ? self : c.in.string(prefix ? s.substr(part->size()) : s.substr(0, s.size() - part->size()));
  }
  if (name == "isupper" || name == "islower") return Value::boolean(cased(s, name == "isupper"));
  if (name == "isspace") return Value::boolean(all_letters(s, is_blank));
  if (name == "isalpha") return Value::boolean(all_letters(s, [](uint32_t l) { return (class_of(l) & kLetter) != 0; }));
  if (name == "isalnum")
    return Value::boolean(all_letters(s, [](uint32_t l) { return (class_of(l) & (kLetter | kNumber)) != 0; }));
  return Value::boolean(all_letters(s, [](uint32_t l) { return (class_of(l) & kNumber) != 0; }));  // isdigit, isnumeric
}

Value dict_method(const Call& c, const Value& self) {
  const Dict& dict = self.dict();
  if (c.name == "get") {
    const Value* key = c.arguments.get(0, "key");
    if (!key) return c.wrong();
    if (const Value* found = c.in.found(dict, *key)) return *found;
    const Value* otherwise = c.arguments.get(1, "default");
    return otherwise ? *otherwise : Value::none();
  }
  if (c.name == "copy") return self;
  std::vector<Value> items;
  if (!c.in.work(3 * kItemWork * dict.items.size())) return {};
  for (const auto& [key, value] : dict.items) {
    items.push_back(c.name == "keys" ? key : c.name == "values" ? value : make_list({key, value}, ListKind::kTuple));
  }
  return c.in.list(std::move(items), ListKind::kView);
}

Value list_method(const Call& c, const Value& self) {
  List& list = self.list();
  const Value* v = c.arguments.get(0, "value");
  if (c.name == "copy") return c.in.list(c.in.iterate(self));
  if (c.name == "append" || c.name == "pop") {
    // Only where it can neither close a circle nor change the weight of something that holds this list.
    if (list.frozen || list.list_kind != ListKind::kList)
      return c.in.fail("a list that is part of another value cannot be changed");
    if (c.name == "pop") {
      int64_t n = int64_t(list.items.size()), at = c.integer(0, "index", -1);
      if (at < 0) at += n;
      if (at < 0 || at >= n) return c.in.fail("pop index out of range");
      if (!c.in.work(kCompareWork * uint64_t(n - at))) return {};  // all behind it move
      Value item = list.items[size_t(at)];
      list.items.erase(list.items.begin() + ptrdiff_t(at));
      return item;
    }
    if (!v) return c.wrong();
    if (depth_of(*v) > 0 || v->is(Kind::kNamespace) || v->is(Kind::kLoop))
      return c.in.fail("only plain values can be appended to a list");
    list.count(*v);
    list.items.push_back(*v);
    return too_large(self) ? c.in.fail("a list is too large") : Value::none();
  }
  if (!v) return c.wrong();
  int64_t n = 0;
  for (size_t k = 0; k < list.items.size() && !c.in.failed(); ++k) {
    if (!c.in.equals(list.items[k], *v)) continue;
    if (c.name == "index") return Value::integer(int64_t(k));
    ++n;
  }
  return c.name == "index" ? c.in.fail("the value is not in the list") : Value::integer(n);
}

Value loop_method(const Call& c, LoopState& loop) {
  const std::vector<Value>& given = c.arguments.positional;
  if (c.name == "cycle") return given.empty() ? c.wrong() : given[loop.index % given.size()];
  bool same = loop.asked && loop.changed.size() == given.size() &&
              std::equal(given.begin(), given.end(), loop.changed.begin(),
                         [&](const Value& a, const Value& b) { return c.in.equals(a, b); });
  loop.asked = true;
  for (const Value& v : given) {
    // Loops must not hold themselves.
    if (v.is(Kind::kLoop) || v.is(Kind::kMacro) || depth_of(v) > 0) return c.in.fail("loop.changed takes plain values");
  }
  loop.changed = given;
  return Value::boolean(!same);
}

Value make_range(const Call& c) {
  int64_t n[3] = {0, 0, 1};
  size_t given = c.arguments.positional.size();
  if (given < 1 || given > 3) return c.wrong();
  for (size_t k = 0; k < given; ++k) {
    if (!c.arguments.positional[k].integral()) return c.wrong();
    n[given == 1 ? 1 : k] = c.arguments.positional[k].as_int();
  }
  if (n[2] == 0) return c.in.fail("range() with step 0");
  std::vector<Value> items;
  for (int64_t i = n[0]; n[2] > 0 ? i < n[1] : i > n[1];) {
    if (items.size() >= c.in.limits().max_range)
      return c.in.fail("range() has more than " + std::to_string(c.in.limits().max_range) + " items");
    items.push_back(Value::integer(i));
    if (__builtin_add_overflow(i, n[2], &i)) break;
  }
  return c.in.list(std::move(items));
}

// Local time, one conversion at a time: the template's format never reaches strftime whole.
Value now(const Call& c) {
  const std::string* format = c.text(0, "format");
  if (!format || format->size() > 256) return c.wrong();
  time_t t = time(nullptr);
  tm parts{};
  localtime_r(&t, &parts);
  std::string out;
  for (size_t i = 0; i < format->size(); ++i) {
    if ((*format)[i] != '%' || i + 1 == format->size()) {
      out += (*format)[i];
      continue;
    }
    if (!c.in.step()) return {};
    const char pattern[] = {'%', (*format)[++i], '\0'};
    static constexpr std::string_view kKnown = "aAbBcdDeFHIjmMnpRSTuUwWxXyYzZ%";
    char text[64];
    size_t n = kKnown.find(pattern[1]) == kKnown.npos ? 0 : strftime(text, sizeof text, pattern, &parts);
    out.append(text, n);
  }
  return c.in.string(std::move(out));
}

Value make_from_names(const Call& c) {
  std::vector<std::pair<Value, Value>> items;
  if (const Value* from = c.arguments.get(0, "")) {
    if (!from->is(Kind::kDict)) return c.wrong();
    if (!c.in.work(2 * kItemWork * from->dict().items.size())) return {};
    items = from->dict().items;
  }
  for (const auto& [name, v] : c.arguments.named) {
    Value key = Value::string(std::string(name));
    auto old = std::find_if(items.begin(), items.end(),
                            [&](const auto& item) { return c.in.failed() || c.in.equals(item.first, key); });
    if (c.in.failed()) return {};
    if (old != items.end()) {
      old->second = v;
    } else {
      items.emplace_back(key, v);
    }
  }
  if (c.name == "dict") {
    return c.in.checked(make_dict(std::move(items)));
  }
  Value ns = c.in.make_namespace();
  for (auto& [key, v] : items) {
    if (key.is(Kind::kString)) ns.as<Namespace>().members[key.text()] = v;
  }
  return ns;
}

}  // namespace

bool has_method(const Value& self, std::string_view name) {
  if (self.is(Kind::kString)) return among(kStringMethods, name);
  if (self.is(Kind::kDict)) return among(kDictMethods, name);
  if (self.is(Kind::kList)) return among(kListMethods, name);
  return self.is(Kind::kLoop) && among(kLoopMethods, name);
}

Value Interpreter::method(const Value& self, std::string_view name, const Arguments& arguments) {
  Call c{*this, arguments, name};
  if (failed_ || !step() || !work(kItemWork * arguments.named.size())) return {};
  Value v = self.is(Kind::kString) ? string_method(c, self)
            : self.is(Kind::kDict) ? dict_method(c, self)
            : self.is(Kind::kList) ? list_method(c, self)
                                   : loop_method(c, self.as<LoopState>());
  return failed_ ? Value() : v;
}

int64_t find_function(std::string_view name) {
  auto it = std::find(std::begin(kFunctions), std::end(kFunctions), name);
  return it == std::end(kFunctions) ? -1 : it - std::begin(kFunctions);
}

Value Interpreter::function(int64_t which, const Arguments& arguments) {
  Call c{*this, arguments, kFunctions[which]};
  if (failed_ || !step() || !work(kItemWork * arguments.named.size())) return {};
  if (c.name == "raise_exception") {
    const Value* message = arguments.get(0, "message");
    return fail(Code::kUsage, message ? printed(*message) : "the template raised an exception");
  }
  if (c.name == "strftime_now") return now(c);
  return c.name == "range" ? make_range(c) : make_from_names(c);
}

}  // namespace sluice::jinja
