// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat/interpreter.h"

#include <algorithm>

#include "runtime/chat/lexer.h"

namespace sluice::jinja {

const Value* Arguments::get(size_t place, std::string_view name) const {
  if (place < positional.size()) return &positional[place];
  for (const auto& [n, v] : named) {
    if (n == name) return &v;
  }
  return nullptr;
}

Interpreter::~Interpreter() {
  for (auto& ns : namespaces_) ns->members.clear();
}

Result<std::string> Interpreter::run(const Value& context) {
  for (uint32_t name = 0; name < program_.names.size(); ++name) {
    const std::string& text = program_.names[name];
    if (text == "loop") loop_name_ = name;
    if (text == "caller") caller_name_ = name;
    if (text == "varargs") varargs_name_ = name;
    if (text == "kwargs") kwargs_name_ = name;
    const Value* v = context.is(Kind::kDict) ? context.dict().find(text) : nullptr;
    if (v == nullptr) continue;
    if (too_large(*v)) return Error{Code::kUsage, "\"" + text + "\" is too large", "chat template", kNoOffset};
    root_.variables.emplace_back(name, *v);
  }
  std::string out;
  out_ = &out;
  run_body(program_.body);
  if (failed_) return error_;
  return out;
}

Value Interpreter::fail(const std::string& message) {
  if (!failed_) error_ = template_error(line_, message);
  failed_ = true;
  return {};
}

Value Interpreter::fail(Code code, const std::string& message) {
  if (!failed_) error_ = Error{code, message, "chat template", kNoOffset};
  failed_ = true;
  return {};
}

bool Interpreter::work(uint64_t units) {
  if (!work_.take(units)) fail("the template took more than " + std::to_string(limits_.max_steps) + " steps");
  return !failed_;
}

bool Interpreter::equals(const Value& a, const Value& b) {
  const bool same = equal(a, b, work_);
  return work(0) && same;
}

int Interpreter::order(const Value& a, const Value& b) {
  const int sign = compare(a, b, work_);
  return work(0) ? sign : 0;
}

const Value* Interpreter::found(const Dict& dict, const Value& key) {
  if (!can_be_key(key)) {
    fail(std::string("a ") + type_name(key) + " cannot be the key of a dict");
    return nullptr;
  }
  const Value* v = dict.find(key, work_);
  return work(0) ? v : nullptr;
}

// Values that take memory cost steps in proportion, so that the steps bound the memory too.
Value Interpreter::checked(Value v) {
  if (v.is(Kind::kString)) {
    if (v.text().size() > limits_.max_output_bytes)
      return fail("a string is longer than " + std::to_string(limits_.max_output_bytes) + " bytes");
    work(kByteWork * v.text().size());
  } else if (v.is(Kind::kList)) {
    work(kItemWork * v.list().items.size());
  } else if (v.is(Kind::kDict)) {
    work(2 * kItemWork * v.dict().items.size());
  }
  if (too_large(v)) return fail("a value is nested too deeply or too large");
  return failed_ ? Value() : std::move(v);
}

std::string Interpreter::missing(const Value& v) const {
  if (v.i == 0 || size_t(v.i) > program_.names.size()) return "a value is undefined";
  return "'" + program_.names[size_t(v.i - 1)] + "' is undefined";
}

Value Interpreter::make_namespace() {
  namespaces_.push_back(std::make_shared<Namespace>());
  Value v;
  v.kind = Kind::kNamespace;
  v.object = namespaces_.back();
  return v;
}

void Interpreter::write(std::string_view text) {
  if (failed_) return;
  if (text.size() > limits_.max_output_bytes || out_->size() > limits_.max_output_bytes - text.size()) {
    fail("the output is longer than " + std::to_string(limits_.max_output_bytes) + " bytes");
    return;
  }
  work(kByteWork * text.size());
  *out_ += text;
}

Value Interpreter::look_up(uint32_t name) {
  for (Scope* s = scope_; s; s = s->parent) {
    work(kNameWork * (1 + s->variables.size()));
    for (const auto& [n, v] : s->variables) {
      if (n == name) return v;
    }
  }
  Value v;
  v.i = int64_t(name) + 1;
  int64_t which = find_function(program_.names[name]);
  if (which >= 0) {
    v.kind = Kind::kFunction;
    v.i = which;
  }
  return v;
}

void Interpreter::assign(uint32_t name, Value v) {
  work(kNameWork * scope_->variables.size());
  for (auto& [n, old] : scope_->variables) {
    if (n == name) {
      old = std::move(v);
      return;
    }
  }
  scope_->variables.emplace_back(name, std::move(v));
}

std::string Interpreter::captured(const Body& body) {
  std::string text;
  std::string* before = std::exchange(out_, &text);
  Scope inner{scope_, {}};
  scope_ = &inner;
  run_body(body);
  scope_ = inner.parent;
  out_ = before;
  return text;
}

Interpreter::Flow Interpreter::run_body(const Body& body) {
  Deeper deeper(*this);
  for (const Statement& s : body) {
    if (failed_) break;
    Flow flow = run_statement(s);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_statement(const Statement& s) {
  line_ = s.line;
  if (!step()) return Flow::kNext;
  switch (s.kind) {
    case StatementKind::kText:
      write(s.text);
      break;
    case StatementKind::kOutput: {
      Value v = eval(*s.expressions[0]);
      if (!failed_) v.is(Kind::kString) ? write(v.text()) : write(printed(v));
      break;
    }
    case StatementKind::kIf: {
      size_t branch = 0;
      while (branch < s.expressions.size() && !truth(eval(*s.expressions[branch])) && !failed_) ++branch;
      if (!failed_ && branch < s.bodies.size()) return run_body(s.bodies[branch]);
      break;
    }
    case StatementKind::kFor:
      return run_for(s);
    case StatementKind::kSet:
      run_set(s, eval(*s.expressions[0]));
      break;
    case StatementKind::kSetBlock:
      run_set(s, filtered(string(captured(s.bodies[0])), s.filters));
      break;
    case StatementKind::kMacro:
      assign(s.name, make_macro(s));
      break;
    case StatementKind::kCall: {
      Value caller = make_macro(s);
      write(printed(eval_chain(*s.expressions[0], &caller)));
      break;
    }
    case StatementKind::kFilter:
      write(printed(filtered(string(captured(s.bodies[0])), s.filters)));
      break;
    case StatementKind::kWith: {
      Scope inner{scope_, {}};
      for (size_t k = 0; k < s.targets.size(); ++k) inner.variables.emplace_back(s.targets[k], eval(*s.expressions[k]));
      scope_ = &inner;
      Flow flow = run_body(s.bodies[0]);
      scope_ = inner.parent;
      return flow;
    }
    case StatementKind::kBody:
      return run_body(s.bodies[0]);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

void Interpreter::bind(const Statement& s, const Value& item, Scope& scope) {
  scope.variables.clear();
  if (s.targets.size() == 1) {
    scope.variables.emplace_back(s.targets[0], item);
    return;
  }
  std::vector<Value> parts = iterate(item);
  if (!failed_ && parts.size() != s.targets.size()) {
    fail("expected " + std::to_string(s.targets.size()) + " values to unpack, found " + std::to_string(parts.size()));
  }
  for (size_t k = 0; k < s.targets.size() && !failed_; ++k) scope.variables.emplace_back(s.targets[k], parts[k]);
}

Interpreter::Flow Interpreter::run_for(const Statement& s) { return run_loop(s, eval(*s.expressions[0]), 1); }

Interpreter::Flow Interpreter::run_loop(const Statement& s, const Value& over, int64_t depth) {
  Scope inner{scope_, {}};
  auto loop = std::make_shared<LoopState>();
  loop->items = iterate(over);
  loop->depth = depth;
  if (s.recursive) {
    loop->statement = &s;
    loop->around = scope_;
  }
  if (s.expressions.size() > 1) {
    std::vector<Value> kept;
    scope_ = &inner;
    for (const Value& item : loop->items) {
      bind(s, item, inner);
      if (!step()) break;
      if (truth(eval(*s.expressions[1]))) kept.push_back(item);
    }
    scope_ = inner.parent;
    loop->items = std::move(kept);
  }

  Value loop_value;
  loop_value.kind = Kind::kLoop;
  loop_value.object = loop;
  scope_ = &inner;
  for (; loop->index < loop->items.size() && step(); ++loop->index) {
    bind(s, loop->items[loop->index], inner);
    if (failed_) break;
    if (loop_name_ != kNoName) inner.variables.emplace_back(loop_name_, loop_value);
    if (run_body(s.bodies[0]) == Flow::kBreak) break;
  }
  scope_ = inner.parent;
  loop->around = nullptr;  // whoever still holds the loop
  const bool none = loop->items.empty();
  if (none && s.bodies.size() > 1 && !failed_) return run_body(s.bodies[1]);
  return Flow::kNext;
}

// loop(items) in a recursive loop: the text of the whole loop over other items.
Value Interpreter::call_loop(const Value& value, const Arguments& arguments) {
  const LoopState& loop = value.as<LoopState>();
  if (loop.around == nullptr) return fail("only the loop variable of a running {% for … recursive %} can be called");
  if (arguments.positional.size() != 1 || !arguments.named.empty()) return fail("loop() takes one argument");
  if (calls_ >= limits_.max_depth) return fail("calls nest more than " + std::to_string(limits_.max_depth) + " deep");
  std::string text;
  Scope* const scope = std::exchange(scope_, loop.around);
  std::string* const before = std::exchange(out_, &text);
  ++calls_;
  run_loop(*loop.statement, arguments.positional[0], loop.depth + 1);
  --calls_;
  out_ = before;
  scope_ = scope;
  return string(std::move(text));
}

void Interpreter::run_set(const Statement& s, Value v) {
  if (failed_) return;
  if (s.attribute != kNoName) {
    Value target = look_up(s.name);
    if (!target.is(Kind::kNamespace)) {
      fail("cannot set an attribute of '" + program_.names[s.name] + "': it is no namespace");
      return;
    }
    work(kLetterWork * program_.names[s.attribute].size());
    target.as<Namespace>().members[program_.names[s.attribute]] = std::move(v);
    return;
  }
  if (s.targets.size() == 1) return assign(s.targets[0], std::move(v));
  std::vector<Value> parts = iterate(v);
  if (!failed_ && parts.size() != s.targets.size()) {
    fail("expected " + std::to_string(s.targets.size()) + " values to unpack, found " + std::to_string(parts.size()));
  }
  for (size_t k = 0; k < s.targets.size() && !failed_; ++k) assign(s.targets[k], parts[k]);
}

Value Interpreter::filtered(Value v, const std::vector<Link>& filters) {
  for (const Link& link : filters) {
    if (failed_) break;
    v = eval_link(v, link, nullptr);
  }
  return v;
}

Value Interpreter::make_macro(const Statement& s) {
  auto macro = std::make_shared<Macro>();
  macro->statement = &s;
  macro->captured.parent = &root_;
  macro->nested = scope_ != &root_;
  for (Scope* scope = scope_; scope && scope != &root_; scope = scope->parent) {
    if (!work(kItemWork * (1 + scope->variables.size()))) return {};
    for (const auto& variable : scope->variables) {
      macro->captured.variables.push_back(variable);
      macro->depth = std::max(macro->depth, 1 + depth_of(variable.second));
    }
  }
  Value v;
  v.kind = Kind::kMacro;
  v.object = std::move(macro);
  return checked(std::move(v));
}

Value Interpreter::call_macro(const Value& value, Arguments arguments, const Value* caller) {
  Macro& macro = value.as<Macro>();
  const Statement& s = *macro.statement;
  auto name = [&] { return s.kind == StatementKind::kMacro ? program_.names[s.name] : "caller"; };
  if (calls_ >= limits_.max_depth)
    return fail("macro calls nest more than " + std::to_string(limits_.max_depth) + " deep");
  if (!work(2 * kNameWork * arguments.named.size() * s.parameters.size())) return {};
  if (arguments.positional.size() > s.parameters.size() && !s.more_values) {
    return fail("macro '" + name() + "' takes " + std::to_string(s.parameters.size()) + " arguments, " +
                std::to_string(arguments.positional.size()) + " were given");
  }
  std::vector<std::pair<Value, Value>> more_names;
  for (const auto& [n, v] : arguments.named) {
    const auto parameter = std::find_if(s.parameters.begin(), s.parameters.end(),
                                        [&, n = n](const auto& p) { return program_.names[p->name] == n; });
    if (parameter == s.parameters.end() && n == "caller") continue;
    if (parameter == s.parameters.end() && !s.more_names)
      return fail("macro '" + name() + "' has no parameter '" + std::string(n) + "'");
    if (parameter == s.parameters.end()) {
      more_names.emplace_back(string(std::string(n)), v);
    } else if (size_t(parameter - s.parameters.begin()) < arguments.positional.size()) {
      return fail("macro '" + name() + "' got two values for '" + std::string(n) + "'");
    }
  }
  Scope inner{&macro.captured, {}};
  if (macro.nested && s.kind == StatementKind::kMacro) inner.variables.emplace_back(s.name, value);
  const Value* const named_caller = arguments.get(size_t(-1), "caller");
  if (!caller) caller = named_caller;
  if (caller && !s.takes_caller) return fail("macro '" + name() + "' has no use for a caller");
  if (caller_name_ != kNoName) inner.variables.emplace_back(caller_name_, caller ? *caller : Value());
  Scope* before = std::exchange(scope_, &inner);
  for (size_t k = 0; k < s.parameters.size(); ++k) {
    const Parameter& p = *s.parameters[k];
    Value v;
    v.i = int64_t(p.name) + 1;
    if (const Value* given = arguments.get(k, program_.names[p.name])) {
      v = *given;
    } else if (p.fallback) {
      v = eval(*p.fallback);
    }
    inner.variables.emplace_back(p.name, std::move(v));
  }
  if (s.more_values) {
    const size_t taken = std::min(s.parameters.size(), arguments.positional.size());
    inner.variables.emplace_back(
        varargs_name_,
        list({arguments.positional.begin() + ptrdiff_t(taken), arguments.positional.end()}, ListKind::kTuple));
  }
  if (s.more_names) inner.variables.emplace_back(kwargs_name_, checked(make_dict(std::move(more_names))));
  ++calls_;
  uint32_t line = line_;
  std::string text = captured(s.bodies[0]);
  line_ = failed_ ? line_ : line;
  --calls_;
  scope_ = before;
  return string(std::move(text));
}

}  // namespace sluice::jinja
