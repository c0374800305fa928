// SPDX-License-Identifier: Apache-2.0
// What filters are made of: one function each, in the file of what they work on. filters.cc joins the tables.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "runtime/chat/interpreter.h"

namespace sluice::jinja {

struct FilterCall {
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

struct FilterRow {
  std::string_view name;
  Value (*run)(const FilterCall& c);
  uint8_t arguments;  // at most
};

std::span<const FilterRow> text_filters();
std::span<const FilterRow> number_filters();
std::span<const FilterRow> collection_filters();

}  // namespace sluice::jinja
