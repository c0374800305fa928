// SPDX-License-Identifier: Apache-2.0
// How expressions are evaluated, as Jinja and Python do it.
#include <algorithm>
#include <cmath>
#include <limits>

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
    if (a.name == kNoName) {
      arguments.positional.push_back(std::move(v));
    } else {
      arguments.named.emplace_back(program_.names[a.name], std::move(v));
    }
  }
  return arguments;
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

bool Interpreter::contains(const Value& container, const Value& item) {
  if (container.is(Kind::kString)) {
    if (!item.is(Kind::kString)) {
      fail(std::string("'in <string>' needs a string, found a ") + type_name(item));
      return false;
    }
    if (!search(container.text(), item.text())) return false;
    return Finder(item.text()).find(container.text()) != std::string::npos;
  }
  if (container.is(Kind::kDict)) return found(container.dict(), item) != nullptr;
  if (container.is(Kind::kNamespace)) {
    fail("a namespace cannot be searched");
    return false;
  }
  for (const Value& other : iterate(container)) {
    if (failed_) return false;
    if (equals(other, item)) return true;
  }
  return false;
}

std::vector<Value> Interpreter::iterate(const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
      return {};
    case Kind::kList:
      if (!work(kItemWork * v.list().items.size())) return {};
      return v.list().items;
    case Kind::kDict: {
      std::vector<Value> keys;
      if (!work(kItemWork * v.dict().items.size())) return {};
      for (const auto& item : v.dict().items) keys.push_back(item.first);
      return keys;
    }
    case Kind::kString: {
      std::vector<Value> letters;
      if (!work(2 * kItemWork * v.text().size())) return {};
      for (std::string_view rest = v.text(); !rest.empty();)
        letters.push_back(Value::string(std::string(take_letter(rest))));
      return letters;
    }
    default:
      fail(std::string("a ") + type_name(v) + " cannot be iterated over");
      return {};
  }
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

Value Interpreter::loop_attribute(const LoopState& loop, std::string_view name) const {
  int64_t i = int64_t(loop.index), n = int64_t(loop.items.size());
  if (name == "index") return Value::integer(i + 1);
  if (name == "index0") return Value::integer(i);
  if (name == "revindex") return Value::integer(n - i);
  if (name == "revindex0") return Value::integer(n - i - 1);
  if (name == "first") return Value::boolean(i == 0);
  if (name == "last") return Value::boolean(i + 1 == n);
  if (name == "length") return Value::integer(n);
  if (name == "depth") return Value::integer(loop.depth);
  if (name == "depth0") return Value::integer(loop.depth - 1);
  if (name == "previtem") return i > 0 ? loop.items[size_t(i - 1)] : Value();
  if (name == "nextitem") return i + 1 < n ? loop.items[size_t(i + 1)] : Value();
  return {};
}

Value Interpreter::attribute(const Value& v, std::string_view name) {
  if (v.undefined()) return fail(missing(v));
  if (v.is(Kind::kNamespace)) {
    if (!work(kLetterWork * name.size())) return {};
    const auto& members = v.as<Namespace>().members;
    auto it = members.find(name);
    return it == members.end() ? Value() : it->second;
  }
  if (has_method(v, name)) {
    auto method = std::make_shared<Method>();
    method->self = v;
    method->name = name;
    Value m;
    m.kind = Kind::kMethod;
    m.object = std::move(method);
    return checked(std::move(m));
  }
  if (v.is(Kind::kLoop)) return loop_attribute(v.as<LoopState>(), name);
  if (!v.is(Kind::kDict)) return {};
  const Value* member = v.dict().find(name, work_);
  return work(0) && member ? *member : Value();
}

Value Interpreter::item(const Value& v, const Value& key) {
  if (v.undefined()) return fail(missing(v));
  if (v.is(Kind::kDict)) {
    if (const Value* member = found(v.dict(), key)) return *member;
    if (failed_) return {};
  } else if (v.is(Kind::kList) && key.integral() && v.list().list_kind != ListKind::kGenerator) {
    int64_t n = int64_t(v.list().items.size()), i = key.as_int();
    if (i < 0) i += n;
    return i >= 0 && i < n ? v.list().items[size_t(i)] : Value();
  } else if (v.is(Kind::kString) && key.integral()) {
    if (!work(2 * kByteWork * v.text().size())) return {};
    int64_t n = int64_t(count_letters(v.text())), i = key.as_int();
    if (i < 0) i += n;
    if (i < 0 || i >= n) return {};
    std::string_view rest = std::string_view(v.text()).substr(letter_offset(v.text(), size_t(i)));
    return Value::string(std::string(take_letter(rest)));
  }
  return key.is(Kind::kString) ? attribute(v, key.text()) : Value();
}

Value Interpreter::path(const Value& v, const Value& path) {
  if (!path.is(Kind::kString)) return item(v, path);
  Value at = v;
  std::string_view rest = path.text();
  work(kByteWork * rest.size());
  for (bool more = true; more && step();) {
    size_t dot = rest.find('.');
    more = dot != rest.npos;
    std::string part(rest.substr(0, dot));
    if (more) rest.remove_prefix(dot + 1);
    bool number = !part.empty() && part.size() < 10 &&
                  std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    at = item(at, number ? Value::integer(std::stoll(part)) : Value::string(part));
  }
  return at;
}

Value Interpreter::slice(const Value& v, const Link& link) {
  int64_t parts[3] = {0, 0, 1};
  bool given[3] = {};
  for (int k = 0; k < 3; ++k) {
    if (!link.arguments[size_t(k)].value) continue;
    Value part = eval(*link.arguments[size_t(k)].value);
    if (failed_) return {};
    if (part.is(Kind::kNone)) continue;
    if (!part.integral()) return fail(std::string("a slice needs integers, found a ") + type_name(part));
    parts[k] = std::clamp(part.as_int(), -int64_t{1} << 40, int64_t{1} << 40);
    given[k] = true;
  }
  if (v.undefined()) return fail(missing(v));
  if (!v.is(Kind::kList) && !v.is(Kind::kString)) return {};
  if (parts[2] == 0) return fail("a slice's step is zero");
  if (v.is(Kind::kString) && !work(3 * kByteWork * v.text().size())) return {};
  int64_t n = int64_t(v.is(Kind::kString) ? count_letters(v.text()) : v.list().items.size());
  bool forward = parts[2] > 0;
  auto bound = [&](int k, int64_t otherwise) {
    if (!given[k]) return otherwise;
    int64_t i = parts[k] < 0 ? parts[k] + n : parts[k];
    return std::clamp(i, forward ? int64_t{0} : int64_t{-1}, forward ? n : n - 1);
  };
  int64_t begin = bound(0, forward ? 0 : n - 1), end = bound(1, forward ? n : -1);
  if (v.is(Kind::kString) && parts[2] == 1) {
    size_t from = letter_offset(v.text(), size_t(begin));
    return string(begin < end ? v.text().substr(from, letter_offset(v.text(), size_t(end)) - from) : "");
  }
  if (v.is(Kind::kString)) {
    std::vector<Value> letters = iterate(v);
    std::string text;
    for (int64_t i = begin; !failed_ && (forward ? i < end : i > end); i += parts[2]) text += letters[size_t(i)].text();
    return string(std::move(text));
  }
  std::vector<Value> items;
  for (int64_t i = begin; (forward ? i < end : i > end) && work(kItemWork); i += parts[2])
    items.push_back(v.list().items[size_t(i)]);
  return list(std::move(items), v.list().list_kind);
}

Value Interpreter::arithmetic_integers(Op op, int64_t a, int64_t b) {
  int64_t r = 0;
  bool overflow = false;
  switch (op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, &r);
      break;
    case Op::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &r);
      break;
    case Op::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &r);
      break;
    case Op::kFloorDivide:
    case Op::kModulo: {
      if (b == 0) return fail("division by zero");
      if (b == -1) {
        overflow = op == Op::kFloorDivide && __builtin_sub_overflow(int64_t{0}, a, &r);
        break;
      }
      int64_t quotient = a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
      r = op == Op::kFloorDivide ? quotient : a - quotient * b;
      break;
    }
    default: {  // kPower with b >= 0
      if (a == 0 || a == 1 || a == -1) return Value::integer(b == 0 ? 1 : a == -1 && b % 2 == 0 ? 1 : a);
      r = 1;
      for (int64_t k = 0; k < b && !overflow; ++k) overflow = __builtin_mul_overflow(r, a, &r);
    }
  }
  return overflow ? fail("an integer is too large") : Value::integer(r);
}

Value Interpreter::repeated(const Value& v, int64_t times) {
  times = std::max(times, int64_t{0});
  bool text = v.is(Kind::kString);
  uint64_t size = text ? v.text().size() : v.list().items.size();
  if (size != 0 && uint64_t(times) > limits_.max_output_bytes / size) return fail("a repetition is too long");
  if (!work((text ? kByteWork : kItemWork) * size * uint64_t(times))) return {};
  std::string s;
  std::vector<Value> items;
  for (int64_t k = 0; k < (size ? times : 0); ++k) {
    if (text) {
      s += v.text();
    } else {
      items.insert(items.end(), v.list().items.begin(), v.list().items.end());
    }
  }
  return text ? string(std::move(s)) : list(std::move(items), v.list().list_kind);
}

Value Interpreter::binary(Op op, const Value& a, const Value& b) {
  if (failed_ || !step()) return {};
  if (a.undefined() || b.undefined()) return fail(missing(a.undefined() ? a : b));
  if (a.is(Kind::kString) && op == Op::kModulo) {
    const bool tuple = b.is(Kind::kList) && b.list().list_kind == ListKind::kTuple;
    return filter("format", a, Arguments{tuple ? iterate(b) : std::vector<Value>{b}, {}});
  }
  if (a.numeric() && b.numeric()) {
    if (a.integral() && b.integral() && op != Op::kDivide && !(op == Op::kPower && b.as_int() < 0)) {
      return arithmetic_integers(op, a.as_int(), b.as_int());
    }
    double x = a.as_double(), y = b.as_double();
    bool divides = op == Op::kDivide || op == Op::kFloorDivide || op == Op::kModulo;
    if (divides && y == 0) return fail("division by zero");
    switch (op) {
      case Op::kAdd:
        return Value::number(x + y);
      case Op::kSubtract:
        return Value::number(x - y);
      case Op::kMultiply:
        return Value::number(x * y);
      case Op::kDivide:
        return Value::number(x / y);
      case Op::kFloorDivide:
        return Value::number(std::floor(x / y));
      case Op::kModulo: {
        double r = std::fmod(x, y);
        return Value::number(r != 0 && (r < 0) != (y < 0) ? r + y : r);
      }
      default:
        return Value::number(std::pow(x, y));
    }
  }
  if (op == Op::kAdd && a.is(Kind::kString) && b.is(Kind::kString)) return string(a.text() + b.text());
  if (op == Op::kAdd && a.is(Kind::kList) && b.is(Kind::kList) && a.list().list_kind == b.list().list_kind) {
    std::vector<Value> items = iterate(a);
    if (!work(kItemWork * b.list().items.size())) return {};
    items.insert(items.end(), b.list().items.begin(), b.list().items.end());
    return list(std::move(items), a.list().list_kind);
  }
  if (op == Op::kMultiply) {
    if ((a.is(Kind::kString) || a.is(Kind::kList)) && b.integral()) return repeated(a, b.as_int());
    if ((b.is(Kind::kString) || b.is(Kind::kList)) && a.integral()) return repeated(b, a.as_int());
  }
  static constexpr const char* kSigns[] = {"==", "!=", "<", "<=", ">",  ">=", "in", "not in",
                                           "+",  "-",  "*", "/",  "//", "%",  "**"};
  return fail(std::string("'") + kSigns[size_t(op)] + "' is not defined for a " + type_name(a) + " and a " +
              type_name(b));
}

}  // namespace sluice::jinja
