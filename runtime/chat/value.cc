// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat/value.h"

#include <algorithm>
#include <cmath>

#include "runtime/tokenizer/unicode.h"

namespace sluice::jinja {

Value Value::none() {
  Value v;
  v.kind = Kind::kNone;
  return v;
}

Value Value::boolean(bool b) {
  Value v;
  v.kind = Kind::kBool;
  v.b = b;
  return v;
}

Value Value::integer(int64_t i) {
  Value v;
  v.kind = Kind::kInt;
  v.i = i;
  return v;
}

Value Value::number(double d) {
  Value v;
  v.kind = Kind::kFloat;
  v.d = d;
  return v;
}

Value Value::string(std::string s, bool safe) {
  Value v;
  v.kind = Kind::kString;
  auto text = std::make_shared<Text>();
  text->s = std::move(s);
  text->safe = safe;
  v.object = std::move(text);
  return v;
}

const std::string& Value::text() const { return as<Text>().s; }
bool Value::safe() const { return is(Kind::kString) && as<Text>().safe; }
List& Value::list() const { return as<List>(); }
Dict& Value::dict() const { return as<Dict>(); }

const Value* Dict::find(const Value& key, Work& work) const {
  for (const auto& [k, v] : items) {
    if (equal(k, key, work)) return &v;
    if (work.spent) break;
  }
  return nullptr;
}

const Value* Dict::find(std::string_view key, Work& work) const {
  for (const auto& [k, v] : items) {
    const bool same_size = k.is(Kind::kString) && k.text().size() == key.size();
    if (!work.take(kCompareWork + (same_size ? key.size() : 0))) break;
    if (same_size && k.text() == key) return &v;
  }
  return nullptr;
}

const Value* Dict::find(std::string_view key) const {
  Work unlimited;
  return find(key, unlimited);
}

uint32_t depth_of(const Value& v) {
  if (v.is(Kind::kList) || v.is(Kind::kDict)) return v.as<Container>().depth;
  if (v.is(Kind::kMethod)) return 1 + depth_of(v.as<Method>().self);
  return v.is(Kind::kMacro) ? v.as<Container>().depth : 0;
}

uint64_t weight_of(const Value& v) {
  if (v.is(Kind::kString)) return 1 + v.text().size();
  return v.is(Kind::kList) || v.is(Kind::kDict) ? v.as<Container>().weight : 1;
}

bool is_plain(const Value& v) {
  if (v.is(Kind::kList) || v.is(Kind::kDict)) return v.as<Container>().plain;
  return v.kind <= Kind::kString || v.is(Kind::kFunction);
}

void Container::count(const Value& item) {
  plain = plain && is_plain(item);
  depth = std::max(depth, 1 + depth_of(item));
  weight = std::min(weight + weight_of(item), kMaxValueWeight + 1);
  if (item.is(Kind::kList) || item.is(Kind::kDict)) item.as<Container>().frozen = true;
}

Value make_list(std::vector<Value> items, ListKind kind) {
  auto list = std::make_shared<List>();
  list->list_kind = kind;
  for (const Value& item : items) list->count(item);
  list->items = std::move(items);
  Value v;
  v.kind = Kind::kList;
  v.object = std::move(list);
  return v;
}

Value make_dict(std::vector<std::pair<Value, Value>> items) {
  auto dict = std::make_shared<Dict>();
  for (const auto& [key, value] : items) {
    dict->count(key);
    dict->count(value);
  }
  dict->items = std::move(items);
  Value v;
  v.kind = Kind::kDict;
  v.object = std::move(dict);
  return v;
}

Value string_of_bytes(std::string_view bytes) {
  std::string storage;
  return Value::string(std::string(valid_utf8(bytes, storage)));
}

const char* type_name(const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
      return "undefined value";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "namespace";
    case Kind::kMacro:
      return "macro";
    case Kind::kLoop:
      return "loop";
    case Kind::kFunction:
    case Kind::kMethod:
      return "function";
    case Kind::kList:
      break;
  }
  static constexpr const char* kNames[] = {"list", "tuple", "generator", "dict_keys", "dict_values", "dict_items"};
  return kNames[size_t(v.list().list_kind)];
}

bool truth(const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return v.b;
    case Kind::kInt:
      return v.i != 0;
    case Kind::kFloat:
      return v.d != 0;
    case Kind::kString:
      return !v.text().empty();
    case Kind::kList:
      return v.list().list_kind == ListKind::kGenerator || !v.list().items.empty();
    case Kind::kDict:
      return !v.dict().items.empty();
    default:
      return true;
  }
}

bool hashable(const Value& v, Work& work) {
  if (v.is(Kind::kDict)) return false;
  if (!v.is(Kind::kList) || v.list().list_kind == ListKind::kGenerator) return true;
  return v.list().list_kind == ListKind::kTuple && work.take(kCompareWork * v.list().items.size()) &&
         std::all_of(v.list().items.begin(), v.list().items.end(), [&](const Value& i) { return hashable(i, work); });
}

bool equal(const Value& a, const Value& b, Work& work) {
  if (!work.take(kCompareWork)) return false;
  if (a.numeric() && b.numeric()) {
    return a.integral() && b.integral() ? a.as_int() == b.as_int() : a.as_double() == b.as_double();
  }
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return a.text().size() == b.text().size() && work.take(a.text().size()) && a.text() == b.text();
    case Kind::kFunction:
      return a.i == b.i;
    case Kind::kList: {
      const List &x = a.list(), &y = b.list();
      if (x.list_kind != y.list_kind || x.items.size() != y.items.size()) return false;
      for (size_t k = 0; k < x.items.size(); ++k) {
        if (!equal(x.items[k], y.items[k], work)) return false;
      }
      return true;
    }
    case Kind::kDict: {
      const Dict &x = a.dict(), &y = b.dict();
      if (x.items.size() != y.items.size()) return false;
      for (size_t k = 0; k < x.items.size(); ++k) {
        const auto& [key, value] = x.items[k];
        // Mostly the keys come in the same order.
        const Value* other = equal(key, y.items[k].first, work) ? &y.items[k].second : y.find(key, work);
        if (!other || !equal(value, *other, work)) return false;
      }
      return true;
    }
    default:
      return a.object == b.object;
  }
}

int compare(const Value& a, const Value& b, Work& work) {
  if (!work.take(kCompareWork)) return 0;
  auto sign = [](auto x, auto y) { return x < y ? -1 : x > y ? 1 : 0; };
  if (a.numeric() && b.numeric()) {
    if (a.integral() && b.integral()) return sign(a.as_int(), b.as_int());
    double x = a.as_double(), y = b.as_double();
    // NaN has no order in Python; here it is the largest, so that sorting stays well-defined.
    return std::isnan(x) || std::isnan(y) ? sign(int(std::isnan(x)), int(std::isnan(y))) : sign(x, y);
  }
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    if (!work.take(std::min(a.text().size(), b.text().size()))) return 0;
    return sign(a.text().compare(b.text()), 0);
  }
  if (a.is(Kind::kList) && b.is(Kind::kList) && a.list().list_kind == b.list().list_kind) {
    const auto &x = a.list().items, &y = b.list().items;
    for (size_t k = 0; k < std::min(x.size(), y.size()); ++k) {
      if (equal(x[k], y[k], work)) continue;
      return compare(x[k], y[k], work);
    }
    return sign(x.size(), y.size());
  }
  return 2;
}

}  // namespace sluice::jinja
