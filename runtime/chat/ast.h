// SPDX-License-Identifier: Apache-2.0
// A parsed template. Chains (a + b + c, x.y[z]|f) are one node with a list, so that depth is nesting and nothing else.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/chat/value.h"

namespace sluice::jinja {

inline constexpr uint32_t kNoName = ~0u;

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

enum class Spread : uint8_t { kNo, kList, kDict };  // f(x), f(*x), f(**x)

struct Argument {
  uint32_t name = kNoName;  // of a keyword argument
  ExprPtr value;            // slices: may be null
  Spread spread = Spread::kNo;
};

// One link of a postfix chain: .name [item] [a:b:c] (arguments) |filter(arguments) is [not] test(arguments)
enum class LinkKind : uint8_t { kAttribute, kItem, kSlice, kCall, kFilter, kTest };

struct Link {
  LinkKind kind;
  uint32_t line;
  uint32_t name = kNoName;
  bool negated = false;
  std::vector<Argument> arguments;
};

enum class ExprKind : uint8_t {
  kConstant,
  kName,
  kList,
  kTuple,
  kDict,
  kOr,
  kAnd,
  kNot,
  kCompare,
  kArithmetic,
  kConcat,
  kSign,
  kChoice,
  kChain
};

enum class Op : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn,
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower
};

struct Expr {
  ExprKind kind;
  uint32_t line;
  Value constant;
  uint32_t name = kNoName;
  bool negative = false;          // kSign, kNot: an odd number of them
  std::vector<ExprPtr> children;  // operands in order; kDict: key, value, …; kChoice: condition, then[, else]
  std::vector<Op> ops;            // kCompare, kArithmetic: between the operands
  std::vector<Link> links;        // kChain
};

struct Statement;
using Body = std::vector<Statement>;

struct Parameter {
  uint32_t name;
  ExprPtr fallback;  // may be null
};

enum class StatementKind : uint8_t {
  kText,
  kOutput,
  kIf,
  kFor,
  kSet,
  kSetBlock,
  kMacro,
  kCall,
  kFilter,
  kWith,
  kBody,
  kBreak,
  kContinue
};

struct Statement {
  StatementKind kind;
  uint32_t line;
  std::string text;
  uint32_t name = kNoName;  // kMacro; kSet, kSetBlock with `attribute`: the namespace
  uint32_t attribute = kNoName;
  std::vector<uint32_t> targets;                       // kFor, kSet
  std::vector<ExprPtr> expressions;                    // kIf: one per branch; kFor: iterable, filter; kWith: values
  std::vector<Body> bodies;                            // kIf: per branch, then else; kFor: body, else
  std::vector<std::shared_ptr<Parameter>> parameters;  // kMacro, kCall
  std::vector<Link> filters;                           // kSetBlock, kFilter
  bool recursive = false;                              // kFor
  // kMacro, kCall: its body speaks of varargs, kwargs, caller
  bool more_values = false, more_names = false, takes_caller = false;
};

struct Template {
  Body body;
  std::vector<std::string> names;
};

}  // namespace sluice::jinja
