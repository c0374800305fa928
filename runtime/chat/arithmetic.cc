// SPDX-License-Identifier: Apache-2.0
// + - * / // % ** of numbers, texts and lists, as Python has them.
#include <algorithm>
#include <cmath>
#include <optional>

#include "runtime/chat/interpreter.h"
#include "runtime/chat/text_format.h"

namespace sluice::jinja {

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
      // Towards zero, then one down where that is not the floor. The remainder gets the divisor's sign.
      const int64_t rest = a % b;
      const bool lower = rest != 0 && (rest < 0) != (b < 0);
      r = op == Op::kFloorDivide ? a / b - lower : lower ? rest + b : rest;
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
  return text ? string(std::move(s), v.safe()) : list(std::move(items), v.list().list_kind);
}

Value Interpreter::binary(Op op, const Value& a, const Value& b) {
  if (failed_ || !step()) return {};
  if (a.is(Kind::kString) && op == Op::kModulo) return percent_format(*this, a, b);
  if (a.undefined() || b.undefined()) return fail(missing(a.undefined() ? a : b));
  if (a.numeric() && b.numeric()) {
    if (a.integral() && b.integral() && op != Op::kDivide && !(op == Op::kPower && b.as_int() < 0)) {
      return arithmetic_integers(op, a.as_int(), b.as_int());
    }
    double x = a.as_double(), y = b.as_double();
    bool divides = op == Op::kDivide || op == Op::kFloorDivide || op == Op::kModulo;
    if (y == 0 ? divides : op == Op::kPower && x == 0 && y < 0) return fail("division by zero");
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
  if (op == Op::kAdd && a.is(Kind::kString) && b.is(Kind::kString)) {
    if (!a.safe() && !b.safe()) return string(a.text() + b.text());
    return string(markup_of(a) + markup_of(b), true);
  }
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
