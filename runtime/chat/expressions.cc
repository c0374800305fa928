// SPDX-License-Identifier: Apache-2.0
// How expressions are evaluated, as Jinja and Python do it.
#include <algorithm>

#include "runtime/chat/interpreter.h"
#include "runtime/chat/strings.h"

namespace sluice::jinja {

Value Interpreter::eval(const Expr& e) {
  Deeper deeper(*this);
  if (failed_ || !step()) return {};
  switch (e.kind) {
    case ExprKind::kConstant:
      return e.constant;
    case ExprKind::kName:
      return look_up(e.name);
    case ExprKind::kList:
    case ExprKind::kTuple: {
      std::vector<Value> items;
      for (const ExprPtr& child : e.children) items.push_back(eval(*child));
      return list(std::move(items), e.kind == ExprKind::kTuple ? ListKind::kTuple : ListKind::kList);
    }
    case ExprKind::kDict: {
      std::vector<std::pair<Value, Value>> items;
      for (size_t k = 0; k < e.children.size() && !failed_; k += 2) {
        Value key = eval(*e.children[k]), value = eval(*e.children[k + 1]);
        auto old = std::find_if(items.begin(), items.end(),
                                [&](const auto& item) { return failed_ || equals(item.first, key); });
        if (failed_) return {};
        if (!can_be_key(key)) return fail(std::string("a ") + type_name(key) + " cannot be the key of a dict");
        if (old != items.end()) {
          old->second = std::move(value);
        } else {
          items.emplace_back(std::move(key), std::move(value));
        }
      }
      return checked(make_dict(std::move(items)));
    }
    case ExprKind::kOr:
    case ExprKind::kAnd: {
      Value v;
      for (const ExprPtr& child : e.children) {
        v = eval(*child);
        if (failed_ || truth(v) == (e.kind == ExprKind::kOr)) break;
      }
      return v;
    }
    case ExprKind::kNot: {
      bool t = truth(eval(*e.children[0]));
      return Value::boolean(e.negative ? !t : t);
    }
    case ExprKind::kCompare:
      return eval_compare(e);
    case ExprKind::kArithmetic: {
      bool power = e.ops[0] == Op::kPower;
      Value v = eval(*e.children[0]);
      for (size_t k = 0; k < e.ops.size() && !failed_; ++k) {
        if (!power || k == 0) line_ = e.line;
        v = binary(e.ops[k], v, eval(*e.children[k + 1]));
      }
      return v;
    }
    case ExprKind::kConcat: {
      std::string s;
      for (const ExprPtr& child : e.children) {
        if (failed_ || s.size() > limits_.max_output_bytes) break;
        s += printed(eval(*child));
      }
      return string(std::move(s));
    }
    case ExprKind::kSign: {
      Value v = eval(*e.children[0]);
      if (failed_) return {};
      if (v.undefined()) return fail(missing(v));
      if (!v.numeric()) return fail(std::string("a ") + type_name(v) + " has no sign");
      if (v.is(Kind::kFloat)) return Value::number(e.negative ? -v.d : v.d);
      return e.negative ? arithmetic_integers(Op::kSubtract, 0, v.as_int()) : Value::integer(v.as_int());
    }
    case ExprKind::kChoice:
      if (truth(eval(*e.children[0]))) return eval(*e.children[1]);
      return e.children.size() > 2 && !failed_ ? eval(*e.children[2]) : Value();
    case ExprKind::kChain:
      return eval_chain(e);
  }
  return {};
}

Value Interpreter::eval_chain(const Expr& e, const Value* caller) {
  Value v = eval(*e.children[0]);
  for (size_t k = 0; k < e.links.size() && !failed_; ++k) {
    if (!step()) break;
    v = eval_link(v, e.links[k], k + 1 == e.links.size() ? caller : nullptr);
  }
  return v;
}

Arguments Interpreter::eval_arguments(const Link& link) {
  Arguments arguments;
  for (const Argument& a : link.arguments) {
    Value v = eval(*a.value);
    if (failed_) break;
    if (a.spread == Spread::kList) {
      for (Value& item : iterate(v)) arguments.positional.push_back(std::move(item));
    } else if (a.spread == Spread::kDict) {
      spread_names(v, arguments);
    } else if (a.name == kNoName) {
      arguments.positional.push_back(std::move(v));
    } else {
      arguments.named.emplace_back(program_.names[a.name], std::move(v));
    }
  }
  if (!link.arguments.empty() && link.arguments.back().spread != Spread::kNo) check_names(arguments);
  return arguments;
}

// f(**v): the dict's keys are the names of arguments.
void Interpreter::spread_names(const Value& v, Arguments& arguments) {
  if (!v.is(Kind::kDict)) {
    fail(std::string("'**' needs a mapping, found a ") + type_name(v));
    return;
  }
  if (!work(2 * kItemWork * v.dict().items.size())) return;
  for (const auto& [key, value] : v.dict().items) {
    if (!key.is(Kind::kString)) {
      fail(std::string("'**' needs names, found a ") + type_name(key));
      return;
    }
    arguments.named.emplace_back(key.text(), value);
  }
  arguments.owners.push_back(v);
}

// No name may come twice.
void Interpreter::check_names(const Arguments& arguments) {
  std::vector<std::string_view> names;
  for (const auto& argument : arguments.named) names.push_back(argument.first);
  if (!work(kItemWork * names.size())) return;
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) fail("the argument '" + std::string(*twice) + "' is given twice");
}

Value Interpreter::eval_link(const Value& v, const Link& link, const Value* caller) {
  line_ = link.line;
  switch (link.kind) {
    case LinkKind::kAttribute: {
      Value found = attribute(v, program_.names[link.name]);
      if (found.undefined()) found.i = int64_t(link.name) + 1;
      return found;
    }
    case LinkKind::kItem: {
      Value key = eval(*link.arguments[0].value);
      return failed_ ? Value() : item(v, key);
    }
    case LinkKind::kSlice:
      return slice(v, link);
    case LinkKind::kFilter: {
      Arguments arguments = eval_arguments(link);
      line_ = link.line;
      return failed_ ? Value() : filter(program_.names[link.name], v, arguments);
    }
    case LinkKind::kTest: {
      Arguments arguments = eval_arguments(link);
      line_ = link.line;
      return failed_ ? Value() : Value::boolean(test(program_.names[link.name], v, arguments) != link.negated);
    }
    case LinkKind::kCall:
      break;
  }
  if (v.undefined()) return fail(missing(v));
  Arguments arguments = eval_arguments(link);
  line_ = link.line;
  if (failed_) return {};
  if (v.is(Kind::kMacro)) return call_macro(v, std::move(arguments), caller);
  if (v.is(Kind::kFunction)) return function(v.i, arguments);
  if (v.is(Kind::kMethod)) return method(v.as<Method>().self, v.as<Method>().name, arguments);
  if (v.is(Kind::kLoop)) return call_loop(v, arguments);
  return fail(std::string("a ") + type_name(v) + " cannot be called");
}

Value Interpreter::eval_compare(const Expr& e) {
  Value left = eval(*e.children[0]);
  for (size_t k = 0; k < e.ops.size() && !failed_; ++k) {
    Value right = eval(*e.children[k + 1]);
    if (failed_) return {};
    bool yes = false;
    Op op = e.ops[k];
    if (op == Op::kEqual || op == Op::kNotEqual) {
      yes = equals(left, right) == (op == Op::kEqual);
    } else if (op == Op::kIn || op == Op::kNotIn) {
      yes = contains(right, left) == (op == Op::kIn);
    } else {
      if (left.undefined() || right.undefined()) return fail(missing(left.undefined() ? left : right));
      const int sign = order(left, right);
      if (sign == 2) return fail(std::string("a ") + type_name(left) + " and a " + type_name(right) + " have no order");
      yes = op == Op::kLess ? sign < 0 : op == Op::kLessEqual ? sign <= 0 : op == Op::kGreater ? sign > 0 : sign >= 0;
    }
    if (!yes) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

std::string Interpreter::printed(const Value& v, bool repr) {
  std::string s;
  const bool copied = v.is(Kind::kString) && !repr;
  if (failed_ || !work((copied ? kByteWork : kPrintWork) * weight_of(v))) return s;
  repr ? print_repr(v, s, limits_.max_output_bytes) : print(v, s, limits_.max_output_bytes);
  if (s.size() > limits_.max_output_bytes)
    fail("a string is longer than " + std::to_string(limits_.max_output_bytes) + " bytes");
  else if (!copied)
    work(2 * kByteWork * s.size());
  return s;
}

std::string Interpreter::markup_of(const Value& v) {
  std::string s = printed(v);
  if (v.safe()) return s;
  return work(kLetterWork * s.size()) ? escaped(s) : std::string();
}

}  // namespace sluice::jinja
