// SPDX-License-Identifier: Apache-2.0
// What may stand behind `x is`.
#include <algorithm>
#include <iterator>
#include <map>

#include "runtime/chat/interpreter.h"
#include "runtime/chat/parser.h"
#include "runtime/chat/strings.h"

namespace sluice::jinja {
namespace {

using TestFunction = bool (*)(Interpreter& in, const Value& v, const Value* operand);

template <Op op>
bool compares(Interpreter& in, const Value& v, const Value* operand) {
  const int order = in.order(v, *operand);
  if (order == 2) in.fail(std::string("a ") + type_name(v) + " and a " + type_name(*operand) + " have no order");
  return op == Op::kLess        ? order == -1
         : op == Op::kLessEqual ? order <= 0
         : op == Op::kGreater   ? order == 1
                                : order == 0 || order == 1;
}

bool remainder(Interpreter& in, const Value& v, const Value& divisor, int64_t wanted) {
  Value r = in.binary(Op::kModulo, v, divisor);
  return !in.failed() && r.numeric() && r.as_double() == double(wanted);
}

bool cased(Interpreter& in, const Value& v, bool upper) {
  const std::string text = in.printed(v);
  if (!in.work(2 * kLetterWork * text.size())) return false;
  const std::string high = to_upper(text), low = to_lower(text);
  return text == (upper ? high : low) && high != low;
}

struct Test {
  TestFunction run;
  bool operand = false;
};

const std::map<std::string_view, Test>& tests() {
  static const Test equals{[](Interpreter& in, const Value& v, const Value* o) { return in.equals(v, *o); }, true};
  static const Test differs{[](Interpreter& in, const Value& v, const Value* o) { return !in.equals(v, *o); }, true};
  static const Test less{compares<Op::kLess>, true}, less_equal{compares<Op::kLessEqual>, true};
  static const Test greater{compares<Op::kGreater>, true}, greater_equal{compares<Op::kGreaterEqual>, true};
  static const std::map<std::string_view, Test> table = {
      {"defined", {[](Interpreter&, const Value& v, const Value*) { return !v.undefined(); }}},
      {"undefined", {[](Interpreter&, const Value& v, const Value*) { return v.undefined(); }}},
      {"none", {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kNone); }}},
      {"boolean", {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kBool); }}},
      {"true", {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kBool) && v.b; }}},
      {"false", {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kBool) && !v.b; }}},
      {"integer", {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kInt); }}},
      {"float", {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kFloat); }}},
      {"number", {[](Interpreter&, const Value& v, const Value*) { return v.numeric(); }}},
      {"escaped", {[](Interpreter&, const Value& v, const Value*) { return v.safe(); }}},
      {"string", {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kString); }}},
      {"mapping", {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kDict); }}},
      {"sequence", {[](Interpreter&, const Value& v, const Value*) {
         return v.is(Kind::kString) || v.is(Kind::kDict) ||
                (v.is(Kind::kList) && v.list().list_kind <= ListKind::kTuple);
       }}},
      {"iterable", {[](Interpreter&, const Value& v, const Value*) {
         return v.undefined() || v.is(Kind::kString) || v.is(Kind::kDict) || v.is(Kind::kList) || v.is(Kind::kLoop);
       }}},
      {"callable", {[](Interpreter&, const Value& v, const Value*) {
         return v.is(Kind::kFunction) || v.is(Kind::kMethod) || v.is(Kind::kMacro) || v.is(Kind::kLoop) ||
                v.undefined();  // which would fail
       }}},
      {"odd", {[](Interpreter& in, const Value& v, const Value*) { return remainder(in, v, Value::integer(2), 1); }}},
      {"even", {[](Interpreter& in, const Value& v, const Value*) { return remainder(in, v, Value::integer(2), 0); }}},
      {"divisibleby", {[](Interpreter& in, const Value& v, const Value* o) { return remainder(in, v, *o, 0); }, true}},
      {"upper", {[](Interpreter& in, const Value& v, const Value*) { return cased(in, v, true); }}},
      {"lower", {[](Interpreter& in, const Value& v, const Value*) { return cased(in, v, false); }}},
      {"in", {[](Interpreter& in, const Value& v, const Value* o) { return in.contains(*o, v); }, true}},
      {"sameas",
       {[](Interpreter& in, const Value& v, const Value* o) {
          return v.kind == o->kind && (v.object ? v.object == o->object : in.equals(v, *o));
        },
        true}},
      {"filter",
       {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kString) && known_filter(v.text()); }}},
      {"test",
       {[](Interpreter&, const Value& v, const Value*) { return v.is(Kind::kString) && known_test(v.text()); }}},
      {"equalto", equals},
      {"eq", equals},
      {"==", equals},
      {"ne", differs},
      {"!=", differs},
      {"lt", less},
      {"lessthan", less},
      {"<", less},
      {"le", less_equal},
      {"<=", less_equal},
      {"gt", greater},
      {"greaterthan", greater},
      {">", greater},
      {"ge", greater_equal},
      {">=", greater_equal},
  };
  return table;
}

}  // namespace

bool known_test(std::string_view name) { return tests().count(name) != 0; }

bool Interpreter::test(std::string_view name, const Value& v, const Arguments& arguments) {
  auto it = tests().find(name);
  if (it == tests().end()) {
    fail("the test '" + std::string(name) + "' is not known");
    return false;
  }
  const Value* operand = arguments.get(0, "other");
  if (it->second.operand != (operand != nullptr) || arguments.positional.size() + arguments.named.size() > 1) {
    fail("test '" + std::string(name) + "' takes " + (it->second.operand ? "one argument" : "no arguments"));
    return false;
  }
  if (!step() || !work(kNameWork * arguments.named.size())) return false;
  return it->second.run(*this, v, operand);
}

}  // namespace sluice::jinja
