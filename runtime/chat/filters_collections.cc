// SPDX-License-Identifier: Apache-2.0
// Jinja's filters of collections.
#include <algorithm>
#include <utility>

#include "runtime/chat/filters.h"
#include "runtime/chat/strings.h"

namespace sluice::jinja {
namespace {

Value f_length(const FilterCall& c) {
  if (c.v.is(Kind::kString)) {
    if (!c.in.work(kByteWork * c.v.text().size())) return {};
    return Value::integer(int64_t(count_letters(c.v.text())));
  }
  if (c.v.is(Kind::kDict)) return Value::integer(int64_t(c.v.dict().items.size()));
  if (c.v.is(Kind::kList)) return Value::integer(int64_t(c.v.list().items.size()));
  if (c.v.undefined()) return Value::integer(0);
  return c.in.fail(std::string("a ") + type_name(c.v) + " has no length");
}

Value f_first(const FilterCall& c) {
  std::vector<Value> items = c.in.iterate(c.v);
  return items.empty() ? Value() : items.front();
}

Value f_last(const FilterCall& c) {
  std::vector<Value> items = c.in.iterate(c.v);
  return items.empty() ? Value() : items.back();
}

Value f_list(const FilterCall& c) { return c.in.list(c.in.iterate(c.v)); }

Value f_items(const FilterCall& c) {
  if (c.v.undefined()) return make_list({});
  if (!c.v.is(Kind::kDict)) return c.in.fail(std::string("items needs a mapping, found a ") + type_name(c.v));
  return c.in.method(c.v, "items", {});
}

Value f_reverse(const FilterCall& c) {
  std::vector<Value> items = c.in.iterate(c.v);
  std::reverse(items.begin(), items.end());
  if (!c.v.is(Kind::kString)) return c.in.list(std::move(items), ListKind::kGenerator);
  std::string s;
  for (const Value& item : items) s += item.text();
  return c.in.string(std::move(s));
}

Value f_join(const FilterCall& c) {
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

Value f_default(const FilterCall& c) {
  const Value* otherwise = c.get(0, "default_value");
  bool missing = c.v.undefined() || (c.flag(1, "boolean", false) && !truth(c.v));
  return !missing ? c.v : otherwise ? *otherwise : Value::string("");
}

Value f_attr(const FilterCall& c) {
  const Value* name = c.get(0, "name");
  if (c.v.undefined()) return c.in.fail(c.in.missing(c.v));
  if (!name || !name->is(Kind::kString)) return {};
  if (!c.v.is(Kind::kDict) || has_method(c.v, name->text())) return c.in.attribute(c.v, name->text());
  return {};  // attributes are not items here
}

// A key as it is compared: strings without case unless asked for.
Value folded(const FilterCall& c, const Value& key, bool case_sensitive) {
  if (!key.is(Kind::kString) || case_sensitive) return key;
  if (!c.in.work(kItemWork + kLetterWork * key.text().size())) return {};
  return Value::string(to_lower(key.text()));
}

// Sorts by keys, one per item. What is equal to each other needs no order.
Value sorted(const FilterCall& c, std::vector<std::pair<Value, Value>> keyed, bool case_sensitive, bool reverse) {
  uint64_t weight = 0;
  for (auto& entry : keyed) {
    entry.first = folded(c, entry.first, case_sensitive);
    weight += kItemWork + weight_of(entry.first);
  }
  // Merging looks at each key about once a level.
  uint64_t levels = 1;
  while (keyed.size() >> levels) ++levels;
  if (!c.in.work(levels * weight)) return {};
  Work charged;
  const Value *one = nullptr, *other = nullptr;  // a pair without order
  auto less = [&](const Value& a, const Value& b) {
    const int sign = compare(a, b, charged);
    if (sign == 2 && !equal(a, b, charged)) one = &a, other = &b;
    return sign == -1;
  };
  std::stable_sort(keyed.begin(), keyed.end(), [&](const auto& a, const auto& b) {
    return reverse ? less(b.first, a.first) : less(a.first, b.first);
  });
  if (one) return c.in.fail("the items to sort have no order");
  std::vector<Value> items;
  for (auto& entry : keyed) items.push_back(std::move(entry.second));
  return c.in.list(std::move(items));
}

Value key_of(const FilterCall& c, const Value& item, const Value* attribute) {
  return !attribute || attribute->is(Kind::kNone) ? item : c.in.path(item, *attribute);
}

std::vector<std::pair<Value, Value>> keyed_items(const FilterCall& c, const Value* attribute) {
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : c.in.iterate(c.v)) {
    if (c.in.failed() || !c.in.step()) break;
    keyed.emplace_back(key_of(c, item, attribute), item);
  }
  return keyed;
}

Value f_sort(const FilterCall& c) {
  const Value* attribute = c.get(2, "attribute");
  const bool case_sensitive = c.flag(1, "case_sensitive", false);
  // "a,b" sorts by a, then b.
  std::vector<Value> attributes;
  if (attribute && attribute->is(Kind::kString)) {
    if (!c.in.search(attribute->text(), ",")) return {};
    for (std::string_view part : split(attribute->text(), ",", -1, false))
      attributes.push_back(Value::string(std::string(part)));
  } else {
    attributes.push_back(attribute ? *attribute : Value::none());
  }
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : c.in.iterate(c.v)) {
    std::vector<Value> keys;
    for (const Value& part : attributes) {
      if (!c.in.step()) return {};
      keys.push_back(folded(c, key_of(c, item, &part), case_sensitive));
    }
    keyed.emplace_back(c.in.list(std::move(keys)), item);
  }
  if (c.in.failed()) return {};
  return sorted(c, std::move(keyed), true, c.flag(0, "reverse", false));
}

Value f_dictsort(const FilterCall& c) {
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

Value f_unique(const FilterCall& c) {
  bool case_sensitive = c.flag(0, "case_sensitive", false);
  std::vector<Value> seen, items;
  for (auto& [key, item] : keyed_items(c, c.get(1, "attribute"))) {
    if (!c.in.can_be_key(key)) return c.in.fail(std::string("a ") + type_name(key) + " cannot be told unique");
    Value k = folded(c, key, case_sensitive);
    auto again = [&](const Value& s) { return c.in.failed() || c.in.equals(s, k); };
    if (std::any_of(seen.begin(), seen.end(), again)) continue;
    if (c.in.failed()) break;
    seen.push_back(std::move(k));
    items.push_back(item);
  }
  return c.in.list(std::move(items), ListKind::kGenerator);
}

Value f_groupby(const FilterCall& c) {
  const Value* attribute = c.get(0, "attribute");
  if (!attribute) return c.in.fail("groupby needs an attribute");
  bool case_sensitive = c.flag(2, "case_sensitive", false);
  std::vector<std::pair<Value, Value>> keyed;
  const Value* otherwise = c.get(1, "default");
  for (auto& [found, item] : keyed_items(c, attribute)) {
    if (!c.in.work(3 * kItemWork)) return {};
    const Value& key = found.undefined() && otherwise ? *otherwise : found;
    if (key.undefined()) return c.in.fail("groupby: an item has no such attribute");
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
Value selected(const FilterCall& c, bool by_attribute, bool wanted) {
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

Value f_map(const FilterCall& c) {
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

Value f_batch(const FilterCall& c) {
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

// So many lists, each of neighbours, the first ones longer.
Value f_slice(const FilterCall& c) {
  const int64_t n = c.integer(0, "slices", 0);
  const Value* fill = c.get(1, "fill_with");
  const std::vector<Value> items = c.in.iterate(c.v);
  if (n < 1 || n > int64_t(c.in.limits().max_range)) return c.in.fail("slice needs a number of slices");
  if (!c.in.work(3 * kItemWork * uint64_t(n))) return {};
  const size_t each = items.size() / size_t(n), longer = items.size() % size_t(n);
  std::vector<Value> slices;
  for (size_t k = 0, at = 0; k < size_t(n); ++k) {
    const size_t end = at + each + (k < longer);
    std::vector<Value> slice(items.begin() + ptrdiff_t(at), items.begin() + ptrdiff_t(end));
    if (fill && !fill->is(Kind::kNone) && k >= longer) slice.push_back(*fill);
    slices.push_back(make_list(std::move(slice)));
    at = end;
  }
  return c.in.list(std::move(slices), ListKind::kGenerator);
}

Value f_sum(const FilterCall& c) {
  const Value* start = c.get(1, "start");
  Value total = start ? *start : Value::integer(0);
  for (auto& [key, item] : keyed_items(c, c.get(0, "attribute"))) {
    total = c.in.binary(Op::kAdd, total, key);
    if (c.in.failed()) break;
  }
  return total;
}

Value extreme(const FilterCall& c, int sign) {
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

}  // namespace

std::span<const FilterRow> collection_filters() {
  static constexpr FilterRow kRows[] = {
      {"attr", f_attr, 1},
      {"batch", f_batch, 2},
      {"count", f_length, 0},
      {"d", f_default, 2},
      {"default", f_default, 2},
      {"dictsort", f_dictsort, 3},
      {"first", f_first, 0},
      {"groupby", f_groupby, 3},
      {"items", f_items, 0},
      {"join", f_join, 2},
      {"last", f_last, 0},
      {"length", f_length, 0},
      {"list", f_list, 0},
      {"map", f_map, 255},
      {"max", [](const FilterCall& c) { return extreme(c, 1); }, 2},
      {"min", [](const FilterCall& c) { return extreme(c, -1); }, 2},
      {"reject", [](const FilterCall& c) { return selected(c, false, false); }, 255},
      {"rejectattr", [](const FilterCall& c) { return selected(c, true, false); }, 255},
      {"reverse", f_reverse, 0},
      {"select", [](const FilterCall& c) { return selected(c, false, true); }, 255},
      {"selectattr", [](const FilterCall& c) { return selected(c, true, true); }, 255},
      {"slice", f_slice, 2},
      {"sort", f_sort, 3},
      {"sum", f_sum, 2},
      {"unique", f_unique, 2},
  };
  return kRows;
}

}  // namespace sluice::jinja
