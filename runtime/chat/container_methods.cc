// SPDX-License-Identifier: Apache-2.0
// The methods of dicts, lists and loops. Of those that change their object there are append and pop alone.
#include "runtime/chat/calls.h"

namespace sluice::jinja {
namespace {

constexpr std::string_view kDictMethods[] = {"copy", "get", "items", "keys", "values"};
constexpr std::string_view kListMethods[] = {"append", "copy", "count", "index", "pop"};
constexpr std::string_view kTupleMethods[] = {"count", "index"};
constexpr std::string_view kLoopMethods[] = {"changed", "cycle"};

Value dict_method(const MethodCall& c, const Value& self) {
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
  const ListKind kind = c.name == "keys" ? ListKind::kKeys : c.name == "values" ? ListKind::kValues : ListKind::kItems;
  return c.in.list(std::move(items), kind);
}

Value list_method(const MethodCall& c, const Value& self) {
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
    // A list or dict that held this list would have frozen it.
    const bool container = v->is(Kind::kList) || v->is(Kind::kDict);
    if (v->object == self.object || (depth_of(*v) > 0 && !container) || v->is(Kind::kNamespace) || v->is(Kind::kLoop))
      return c.in.fail(std::string("a ") + type_name(*v) + " cannot be appended to a list");
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

Value loop_method(const MethodCall& c, LoopState& loop) {
  const std::vector<Value>& given = c.arguments.positional;
  if (c.name == "cycle") return given.empty() ? c.wrong() : given[loop.index % given.size()];
  bool same = loop.asked && loop.changed.size() == given.size() &&
              std::equal(given.begin(), given.end(), loop.changed.begin(),
                         [&](const Value& a, const Value& b) { return c.in.equals(a, b); });
  loop.asked = true;
  for (const Value& v : given) {
    // Loops must not hold themselves.
    if (!is_plain(v)) return c.in.fail(std::string("loop.changed takes data, found a ") + type_name(v));
  }
  loop.changed = given;
  return Value::boolean(!same);
}

}  // namespace

bool has_container_method(const Value& self, std::string_view name) {
  if (self.is(Kind::kDict)) return among(kDictMethods, name);
  if (self.is(Kind::kLoop)) return among(kLoopMethods, name);
  if (!self.is(Kind::kList)) return false;
  const ListKind kind = self.list().list_kind;
  return (kind == ListKind::kList && among(kListMethods, name)) ||
         (kind == ListKind::kTuple && among(kTupleMethods, name));
}

Value container_method(const MethodCall& c, const Value& self) {
  const size_t given = c.arguments.positional.size() + c.arguments.named.size();
  const bool none = c.name == "copy" || c.name == "items" || c.name == "keys" || c.name == "values";
  const bool one = c.name == "append" || (c.name == "count" && !self.is(Kind::kDict));
  if ((none && given > 0) || (one && given != 1) || (c.name == "get" && given > 2)) return c.wrong();
  if (self.is(Kind::kDict)) return dict_method(c, self);
  return self.is(Kind::kList) ? list_method(c, self) : loop_method(c, self.as<LoopState>());
}

}  // namespace sluice::jinja
