// SPDX-License-Identifier: Apache-2.0
// What is inside a value: its items one by one, attributes, items by key, slices.
#include <algorithm>

#include "runtime/chat/interpreter.h"
#include "runtime/chat/strings.h"

namespace sluice::jinja {

bool Interpreter::contains(const Value& container, const Value& item) {
  if (container.is(Kind::kString)) {
    if (!item.is(Kind::kString)) {
      fail(std::string("'in <string>' needs a string, found a ") + type_name(item));
      return false;
    }
    if (!search(container.text(), item.text())) return false;
    return Finder(item.text()).find(container.text()) != std::string::npos;
  }
  if (container.is(Kind::kDict)) return found(container.dict(), item) != nullptr;
  if (container.is(Kind::kNamespace)) {
    fail("a namespace cannot be searched");
    return false;
  }
  for (const Value& other : iterate(container)) {
    if (failed_) return false;
    if (equals(other, item)) return true;
  }
  return false;
}

std::vector<Value> Interpreter::iterate(const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
      return {};
    case Kind::kList:
      if (!work(kItemWork * v.list().items.size())) return {};
      return v.list().items;
    case Kind::kDict: {
      std::vector<Value> keys;
      if (!work(kItemWork * v.dict().items.size())) return {};
      for (const auto& item : v.dict().items) keys.push_back(item.first);
      return keys;
    }
    case Kind::kString: {
      std::vector<Value> letters;
      if (!work(2 * kItemWork * v.text().size())) return {};
      for (std::string_view rest = v.text(); !rest.empty();)
        letters.push_back(Value::string(std::string(take_letter(rest))));
      return letters;
    }
    default:
      fail(std::string("a ") + type_name(v) + " cannot be iterated over");
      return {};
  }
}

Value Interpreter::loop_attribute(const LoopState& loop, std::string_view name) const {
  int64_t i = int64_t(loop.index), n = int64_t(loop.items.size());
  if (name == "index") return Value::integer(i + 1);
  if (name == "index0") return Value::integer(i);
  if (name == "revindex") return Value::integer(n - i);
  if (name == "revindex0") return Value::integer(n - i - 1);
  if (name == "first") return Value::boolean(i == 0);
  if (name == "last") return Value::boolean(i + 1 == n);
  if (name == "length") return Value::integer(n);
  if (name == "depth") return Value::integer(loop.depth);
  if (name == "depth0") return Value::integer(loop.depth - 1);
  if (name == "previtem") return i > 0 ? loop.items[size_t(i - 1)] : Value();
  if (name == "nextitem") return i + 1 < n ? loop.items[size_t(i + 1)] : Value();
  return {};
}

Value Interpreter::attribute(const Value& v, std::string_view name) {
  if (v.undefined()) return fail(missing(v));
  if (v.is(Kind::kNamespace)) {
    if (!work(kLetterWork * name.size())) return {};
    const auto& members = v.as<Namespace>().members;
    auto it = members.find(name);
    return it == members.end() ? Value() : it->second;
  }
  if (has_method(v, name)) {
    auto method = std::make_shared<Method>();
    method->self = v;
    method->name = name;
    Value m;
    m.kind = Kind::kMethod;
    m.object = std::move(method);
    return checked(std::move(m));
  }
  if (v.is(Kind::kLoop)) return loop_attribute(v.as<LoopState>(), name);
  if (!v.is(Kind::kDict)) return {};
  const Value* member = v.dict().find(name, work_);
  return work(0) && member ? *member : Value();
}

Value Interpreter::item(const Value& v, const Value& key) {
  if (v.undefined()) return fail(missing(v));
  if (v.is(Kind::kDict)) {
    if (!can_be_key(key)) return {};
    if (const Value* member = found(v.dict(), key)) return *member;
    if (failed_) return {};
  } else if (v.is(Kind::kList) && key.integral() && v.list().list_kind <= ListKind::kTuple) {
    int64_t n = int64_t(v.list().items.size()), i = key.as_int();
    if (i < 0) i += n;
    return i >= 0 && i < n ? v.list().items[size_t(i)] : Value();
  } else if (v.is(Kind::kString) && key.integral()) {
    if (!work(2 * kByteWork * v.text().size())) return {};
    int64_t n = int64_t(count_letters(v.text())), i = key.as_int();
    if (i < 0) i += n;
    if (i < 0 || i >= n) return {};
    std::string_view rest = std::string_view(v.text()).substr(letter_offset(v.text(), size_t(i)));
    return Value::string(std::string(take_letter(rest)), v.safe());
  }
  return key.is(Kind::kString) ? attribute(v, key.text()) : Value();
}

Value Interpreter::path(const Value& v, const Value& path) {
  if (!path.is(Kind::kString)) return item(v, path);
  Value at = v;
  std::string_view rest = path.text();
  work(kByteWork * rest.size());
  for (bool more = true; more && step();) {
    size_t dot = rest.find('.');
    more = dot != rest.npos;
    std::string part(rest.substr(0, dot));
    if (more) rest.remove_prefix(dot + 1);
    bool number = !part.empty() && part.size() < 10 &&
                  std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    at = item(at, number ? Value::integer(std::stoll(part)) : Value::string(part));
  }
  return at;
}

Value Interpreter::slice(const Value& v, const Link& link) {
  int64_t parts[3] = {0, 0, 1};
  bool given[3] = {};
  for (int k = 0; k < 3; ++k) {
    if (!link.arguments[size_t(k)].value) continue;
    Value part = eval(*link.arguments[size_t(k)].value);
    if (failed_) return {};
    if (part.is(Kind::kNone)) continue;
    if (!part.integral()) return fail(std::string("a slice needs integers, found a ") + type_name(part));
    parts[k] = std::clamp(part.as_int(), -int64_t{1} << 40, int64_t{1} << 40);
    given[k] = true;
  }
  if (v.undefined()) return fail(missing(v));
  if (!v.is(Kind::kString) && (!v.is(Kind::kList) || v.list().list_kind > ListKind::kTuple))
    return fail(std::string("a ") + type_name(v) + " cannot be sliced");
  if (parts[2] == 0) return fail("a slice's step is zero");
  if (v.is(Kind::kString) && !work(3 * kByteWork * v.text().size())) return {};
  int64_t n = int64_t(v.is(Kind::kString) ? count_letters(v.text()) : v.list().items.size());
  bool forward = parts[2] > 0;
  auto bound = [&](int k, int64_t otherwise) {
    if (!given[k]) return otherwise;
    int64_t i = parts[k] < 0 ? parts[k] + n : parts[k];
    return std::clamp(i, forward ? int64_t{0} : int64_t{-1}, forward ? n : n - 1);
  };
  int64_t begin = bound(0, forward ? 0 : n - 1), end = bound(1, forward ? n : -1);
  if (v.is(Kind::kString) && parts[2] == 1) {
    size_t from = letter_offset(v.text(), size_t(begin));
    return string(begin < end ? v.text().substr(from, letter_offset(v.text(), size_t(end)) - from) : "", v.safe());
  }
  if (v.is(Kind::kString)) {
    std::vector<Value> letters = iterate(v);
    std::string text;
    for (int64_t i = begin; !failed_ && (forward ? i < end : i > end); i += parts[2]) text += letters[size_t(i)].text();
    return string(std::move(text), v.safe());
  }
  std::vector<Value> items;
  for (int64_t i = begin; (forward ? i < end : i > end) && work(kItemWork); i += parts[2])
    items.push_back(v.list().items[size_t(i)]);
  return list(std::move(items), v.list().list_kind);
}

}  // namespace sluice::jinja
