// SPDX-License-Identifier: Apache-2.0
// What methods and functions are made of: string_methods.cc, container_methods.cc, functions.cc.
#pragma once
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "runtime/chat/interpreter.h"

namespace sluice::jinja {

struct MethodCall {
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
    if (v && !v->integral()) wrong();
    return v && v->integral() ? v->as_int() : otherwise;
  }
  bool at_most(size_t n) const { return arguments.positional.size() + arguments.named.size() <= n; }
  Value wrong() const { return in.fail("wrong arguments for '" + std::string(name) + "'"); }
};

template <class Names>
bool among(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool has_string_method(std::string_view name);
Value string_method(const MethodCall& c, const Value& self);

bool has_container_method(const Value& self, std::string_view name);  // of a list, dict or loop
Value container_method(const MethodCall& c, const Value& self);

}  // namespace sluice::jinja
