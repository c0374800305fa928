// SPDX-License-Identifier: Apache-2.0
// The functions that a template finds, and how methods are told apart.
#include <ctime>

#include "runtime/chat/calls.h"

namespace sluice::jinja {
namespace {

constexpr std::string_view kFunctions[] = {"raise_exception", "strftime_now", "range", "namespace", "dict"};

Value make_range(const MethodCall& c) {
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
Value formatted_now(const MethodCall& c) {
  const std::string* format = c.text(0, "format");
  if (!format || format->size() > 256 || !c.at_most(1)) return c.wrong();
  const time_t t = time_t(c.in.now());
  tm parts{};
  localtime_r(&t, &parts);
  std::string out;
  for (size_t i = 0; i < format->size(); ++i) {
    const char letter = (*format)[i];
    const bool flag = i + 2 < format->size() && std::string_view("-_0^#").find((*format)[i + 1]) != std::string::npos;
    const size_t kind = i + 1 + flag;
    if (letter != '%' || kind >= format->size()) {
      out += letter;
      continue;
    }
    if (!c.in.step()) return {};
    static constexpr std::string_view kKnown = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyY%";
    const std::string pattern = format->substr(i, kind + 1 - i);
    i = kind;
    if (pattern.back() == 'z' || pattern.back() == 'Z') continue;
    if (pattern.back() == 'f') {
      out += "000000";
      continue;
    }
    if (kKnown.find(pattern.back()) == kKnown.npos) return c.in.fail("strftime_now does not know '" + pattern + "'");
    char text[128];
    out.append(text, strftime(text, sizeof text, pattern.c_str(), &parts));
  }
  return c.in.string(std::move(out));
}

Value make_from_names(const MethodCall& c) {
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
  return self.is(Kind::kString) ? has_string_method(name) : has_container_method(self, name);
}

Value Interpreter::method(const Value& self, std::string_view name, const Arguments& arguments) {
  const MethodCall c{*this, arguments, name};
  if (failed_ || !step() || !work(kItemWork * arguments.named.size())) return {};
  Value v = self.is(Kind::kString) ? string_method(c, self) : container_method(c, self);
  return failed_ ? Value() : v;
}

int64_t find_function(std::string_view name) {
  auto it = std::find(std::begin(kFunctions), std::end(kFunctions), name);
  return it == std::end(kFunctions) ? -1 : it - std::begin(kFunctions);
}

Value Interpreter::function(int64_t which, const Arguments& arguments) {
  const MethodCall c{*this, arguments, kFunctions[which]};
  if (failed_ || !step() || !work(kItemWork * arguments.named.size())) return {};
  if (c.name == "raise_exception") {
    const Value* message = arguments.get(0, "message");
    return fail(Code::kUsage, message ? printed(*message) : "the template raised an exception");
  }
  if (c.name == "strftime_now") return formatted_now(c);
  return c.name == "range" ? make_range(c) : make_from_names(c);
}

}  // namespace sluice::jinja
