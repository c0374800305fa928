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
  return name && name->is(Kind::kString) ? c.in.attribute(c.v, name->text()) : Value();
}

// A key as it is compared: strings without case unless asked for.
Value folded(const FilterCall& c, const Value& key, bool case_sensitive) {
  if (!key.is(Kind::kString) || case_sensitive) return key;
  if (!c.in.work(kItemWork + kLetterWork * key.text().size())) return {};
  return Value::string(to_lower(key.text()));
}

// Sorts by keys, one per item.
Value sorted(const FilterCall& c, std::vector<std::pair<Value, Value>> keyed, bool case_sensitive, bool reverse,
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

std::vector<std::pair<Value, Value>> keyed_items(const FilterCall& c, const Value* attribute) {
  std::vector<std::pair<Value, Value>> keyed;
  for (const Value& item : c.in.iterate(c.v)) {
    if (c.in.failed() || !c.in.step()) break;
    bool whole = !attribute || attribute->is(Kind::kNone);
    keyed.emplace_back(whole ? item : c.in.path(item, *attribute), item);
  }
  return keyed;
}

Value f_sort(const FilterCall& c) {
  return sorted(c, keyed_items(c, c.get(2, "attribute")), c.flag(1, "case_sensitive", false),
                c.flag(0, "reverse", false));
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
      {"attr", f_attr},
      {"batch", f_batch},
      {"count", f_length},
      {"d", f_default},
      {"default", f_default},
      {"dictsort", f_dictsort},
      {"first", f_first},
      {"groupby", f_groupby},
      {"items", f_items},
      {"join", f_join},
      {"last", f_last},
      {"length", f_length},
      {"list", f_list},
      {"map", f_map},
      {"max", [](const FilterCall& c) { return extreme(c, 1); }},
      {"min", [](const FilterCall& c) { return extreme(c, -1); }},
      {"reject", [](const FilterCall& c) { return selected(c, false, false); }},
      {"rejectattr", [](const FilterCall& c) { return selected(c, true, false); }},
      {"reverse", f_reverse},
      {"select", [](const FilterCall& c) { return selected(c, false, true); }},
      {"selectattr", [](const FilterCall& c) { return selected(c, true, true); }},
      {"sort", f_sort},
      {"sum", f_sum},
      {"unique", f_unique},
  };
  return kRows;
}

}  // namespace sluice::jinja
