// SPDX-License-Identifier: Apache-2.0
// All filters by their names.
#include "runtime/chat/filters.h"

#include <map>

#include "runtime/chat/parser.h"

namespace sluice::jinja {
namespace {

const FilterRow* find_filter(std::string_view name) {
  static const auto all = [] {
    std::map<std::string_view, const FilterRow*> table;
    for (auto rows : {text_filters(), number_filters(), collection_filters()}) {
      for (const FilterRow& row : rows) table.emplace(row.name, &row);
    }
    return table;
  }();
  auto it = all.find(name);
  return it == all.end() ? nullptr : it->second;
}

}  // namespace

bool known_filter(std::string_view name) { return find_filter(name) != nullptr; }

Value Interpreter::filter(std::string_view name, const Value& v, const Arguments& arguments) {
  Deeper deeper(*this);  // map may apply map
  const FilterRow* row = find_filter(name);
  if (row == nullptr) return fail("the filter '" + std::string(name) + "' is not known");
  if (failed_ || !step() || !work(kItemWork * arguments.named.size())) return {};
  if (arguments.positional.size() + arguments.named.size() > row->arguments)
    return fail("the filter '" + std::string(name) + "' takes fewer arguments");
  Value result = row->run(FilterCall{*this, v, arguments});
  return failed_ ? Value() : result;
}

}  // namespace sluice::jinja
