// SPDX-License-Identifier: Apache-2.0
// Expressions, from the loosest operator to the tightest.
#include <charconv>
#include <optional>

#include "runtime/chat/grammar.h"
#include "runtime/chat/json_reader.h"
#include "runtime/chat/parser.h"

namespace sluice::jinja {

// An expression, or several with commas between.
ExprPtr Parser::parse_tuple() {
  ExprPtr first = parse_expression();
  if (!is_op(",")) return first;
  ExprPtr tuple = make(ExprKind::kTuple);
  tuple->children.push_back(std::move(first));
  while (skip_op(",")) {
    if (is(TokenKind::kBlockEnd) || is(TokenKind::kOutputEnd) || is_op(")")) break;
    tuple->children.push_back(parse_expression());
  }
  return tuple;
}

ExprPtr Parser::parse_expression() {
  Deeper deeper(*this);
  ExprPtr e = failed_ ? constant(Value()) : parse_or();
  for (uint32_t n = 0; is_name("if"); ++n) {
    if (n == max_depth_) fail("too many conditions in a row");  // they nest to the left
    ExprPtr choice = make(ExprKind::kChoice);
    next();
    choice->children.push_back(parse_or());
    choice->children.push_back(std::move(e));
    if (skip_name("else")) choice->children.push_back(parse_expression());
    e = std::move(choice);
  }
  return e;
}

ExprPtr Parser::parse_or() {
  ExprPtr e = parse_and();
  if (!is_name("or")) return e;
  ExprPtr all = make(ExprKind::kOr);
  all->children.push_back(std::move(e));
  while (skip_name("or")) all->children.push_back(parse_and());
  return all;
}

ExprPtr Parser::parse_and() {
  ExprPtr e = parse_not();
  if (!is_name("and")) return e;
  ExprPtr all = make(ExprKind::kAnd);
  all->children.push_back(std::move(e));
  while (skip_name("and")) all->children.push_back(parse_not());
  return all;
}

ExprPtr Parser::parse_not() {
  if (!is_name("not")) return parse_compare();
  ExprPtr e = make(ExprKind::kNot);
  while (skip_name("not")) e->negative = !e->negative;
  e->children.push_back(parse_compare());
  return e;
}

ExprPtr Parser::parse_compare() {
  static constexpr std::pair<std::string_view, Op> kOps[] = {{"==", Op::kEqual},  {"!=", Op::kNotEqual},
                                                             {"<", Op::kLess},    {"<=", Op::kLessEqual},
                                                             {">", Op::kGreater}, {">=", Op::kGreaterEqual}};
  ExprPtr e = parse_sum();
  ExprPtr chain;
  for (;;) {
    const Op* op = nullptr;
    static constexpr Op kIn = Op::kIn, kNotIn = Op::kNotIn;
    for (const auto& [text, value] : kOps) {
      if (is_op(text)) op = &value;
    }
    if (is_name("in")) op = &kIn;
    bool two_words = is_name("not") && ahead().kind == TokenKind::kName && ahead().text == "in";
    if (two_words) op = &kNotIn;
    if (!op) return chain ? std::move(chain) : std::move(e);
    if (!chain) {
      chain = make(ExprKind::kCompare);
      chain->children.push_back(std::move(e));
    }
    next();
    if (two_words) next();
    chain->ops.push_back(*op);
    chain->children.push_back(parse_sum());
  }
}

template <class Next>
ExprPtr Parser::arithmetic(Next parse_next, std::initializer_list<std::pair<std::string_view, Op>> ops) {
  ExprPtr e = parse_next(), chain;
  for (;;) {
    auto op = std::find_if(ops.begin(), ops.end(), [&](const auto& o) { return is_op(o.first); });
    if (op == ops.end()) return chain ? std::move(chain) : std::move(e);
    if (!chain) {
      chain = make(ExprKind::kArithmetic);
      chain->children.push_back(std::move(e));
    }
    next();
    chain->ops.push_back(op->second);
    chain->children.push_back(parse_next());
  }
}

ExprPtr Parser::parse_sum() {
  return arithmetic([this] { return parse_concat(); }, {{"+", Op::kAdd}, {"-", Op::kSubtract}});
}

ExprPtr Parser::parse_concat() {
  ExprPtr e = parse_product();
  if (!is_op("~")) return e;
  ExprPtr all = make(ExprKind::kConcat);
  all->children.push_back(std::move(e));
  while (skip_op("~")) all->children.push_back(parse_product());
  return all;
}

ExprPtr Parser::parse_product() {
  return arithmetic([this] { return parse_power(); },
                    {{"*", Op::kMultiply}, {"/", Op::kDivide}, {"//", Op::kFloorDivide}, {"%", Op::kModulo}});
}

ExprPtr Parser::parse_power() {
  return arithmetic([this] { return parse_unary(); }, {{"**", Op::kPower}});
}

ExprPtr Parser::parse_unary() {
  if (!is_op("-") && !is_op("+")) {
    ExprPtr e = parse_primary();
    parse_postfix(e, true);
    return e;
  }
  ExprPtr sign = make(ExprKind::kSign);
  for (; is_op("-") || is_op("+"); next()) sign->negative ^= is_op("-");
  ExprPtr e = parse_primary();
  parse_postfix(e, false);
  sign->children.push_back(std::move(e));
  // A filter after a signed operand applies to the whole: -1|abs is (-1)|abs.
  parse_postfix(sign, true);
  return sign;
}

ExprPtr Parser::parse_number() {
  Value v;
  if (is(TokenKind::kInteger)) {
    int64_t n = 0;
    const std::string& digits = current().text;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), n).ec != std::errc())
      fail("the number is too large");
    v = Value::integer(n);
  } else {
    const std::optional<double> number = read_number(current().text);
    if (!number) fail("'" + current().text + "' is no number");
    v = Value::number(number.value_or(0));
  }
  ExprPtr e = constant(v);
  next();
  return e;
}

ExprPtr Parser::parse_primary() {
  if (is(TokenKind::kInteger) || is(TokenKind::kFloat)) return parse_number();
  if (is(TokenKind::kString)) {
    std::string all;
    for (; is(TokenKind::kString); next()) all += current().text;
    return constant(Value::string(std::move(all)));
  }
  if (is(TokenKind::kName)) {
    const std::string& word = current().text;
    ExprPtr e;
    if (word == "true" || word == "True" || word == "false" || word == "False") {
      e = constant(Value::boolean((word[0] | 0x20) == 't'));
    } else if (word == "none" || word == "None") {
      e = constant(Value::none());
    } else {
      e = make(ExprKind::kName);
      e->name = intern(word);
      more_values_ |= word == "varargs";
      more_names_ |= word == "kwargs";
      takes_caller_ |= word == "caller";
    }
    next();
    return e;
  }
  if (skip_op("(")) {
    ExprPtr e;
    if (is_op(")")) {
      e = make(ExprKind::kTuple);
    } else {
      e = parse_tuple();
    }
    want_op(")");
    return e;
  }
  if (skip_op("[")) {
    ExprPtr e = make(ExprKind::kList);
    while (!failed_ && !is_op("]")) {
      e->children.push_back(parse_expression());
      if (!skip_op(",")) break;
    }
    want_op("]");
    return e;
  }
  if (skip_op("{")) {
    ExprPtr e = make(ExprKind::kDict);
    while (!failed_ && !is_op("}")) {
      e->children.push_back(parse_expression());
      want_op(":");
      e->children.push_back(parse_expression());
      if (!skip_op(",")) break;
    }
    want_op("}");
    return e;
  }
  fail("expected an expression, found " + described());
  return constant(Value());
}

void Parser::parse_postfix(ExprPtr& e, bool filters) {
  std::vector<Link> links;
  bool filtered = false;  // after a filter or test only calls and further filters and tests may follow
  for (;;) {
    if (!filtered && (is_op(".") || is_op("["))) {
      links.push_back(parse_subscript());
    } else if (is_op("(")) {
      links.push_back({LinkKind::kCall, line(), kNoName, false, parse_arguments()});
    } else if (filters && is_op("|")) {
      next();
      links.push_back(parse_filter());
      filtered = true;
    } else if (filters && is_name("is")) {
      next();
      links.push_back(parse_test());
      filtered = true;
    } else {
      break;
    }
  }
  if (links.empty()) return;
  ExprPtr chain = make(ExprKind::kChain);
  chain->line = e->line;
  chain->children.push_back(std::move(e));
  chain->links = std::move(links);
  e = std::move(chain);
}

Link Parser::parse_subscript() {
  Link link{LinkKind::kAttribute, line(), kNoName, false, {}};
  if (skip_op(".")) {
    if (is(TokenKind::kInteger)) {
      link.kind = LinkKind::kItem;
      link.arguments.push_back({kNoName, parse_number()});
    } else {
      link.name = take_name();
    }
    return link;
  }
  want_op("[");
  ExprPtr parts[3];
  int n = 0;
  bool slice = false;
  for (; n < 3; ++n) {
    if (!is_op(":") && !is_op("]")) parts[n] = parse_expression();
    if (!skip_op(":")) break;
    slice = true;
  }
  if (!slice && !parts[0]) fail("expected an expression, found " + described());
  want_op("]");
  link.kind = slice ? LinkKind::kSlice : LinkKind::kItem;
  for (int k = 0; k < (slice ? 3 : 1); ++k) link.arguments.push_back({kNoName, std::move(parts[k])});
  return link;
}

std::string Parser::dotted_name() {
  if (!is(TokenKind::kName)) {
    fail("expected a name, found " + described());
    return "";
  }
  std::string name = current().text;
  next();
  while (is_op(".") && ahead().kind == TokenKind::kName) {
    next();
    name += "." + current().text;
    next();
  }
  return name;
}

Link Parser::parse_filter() {
  Link link{LinkKind::kFilter, line(), kNoName, false, {}};
  std::string name = dotted_name();
  if (!known_filter(name) && conditions_ == 0) fail_at(link.line, "the filter '" + name + "' is not known");
  link.name = intern(name);
  if (is_op("(")) link.arguments = parse_arguments();
  return link;
}

Link Parser::parse_test() {
  Link link{LinkKind::kTest, line(), kNoName, false, {}};
  link.negated = skip_name("not");
  std::string name = dotted_name();
  if (!known_test(name) && conditions_ == 0) fail_at(link.line, "the test '" + name + "' is not known");
  link.name = intern(name);
  if (is_op("(")) {
    link.arguments = parse_arguments();
    return link;
  }
  bool operand = is(TokenKind::kString) || is(TokenKind::kInteger) || is(TokenKind::kFloat) || is_op("[") || is_op("{");
  if (is_name("is")) fail("tests with 'is' cannot be chained");
  // As in Jinja, `x is none if y` takes `if` for an operand.
  if (is(TokenKind::kName)) operand = !is_name("else") && !is_name("or") && !is_name("and");
  if (operand) {
    ExprPtr e = parse_primary();
    parse_postfix(e, false);
    link.arguments.push_back({kNoName, std::move(e)});
  }
  return link;
}

std::vector<Argument> Parser::parse_arguments() {
  std::vector<Argument> arguments;
  want_op("(");
  while (!failed_ && !is_op(")")) {
    Argument argument;
    if (skip_op("*")) {
      argument.spread = Spread::kList;
    } else if (skip_op("**")) {
      argument.spread = Spread::kDict;
    } else if (is(TokenKind::kName) && ahead().kind == TokenKind::kOperator && ahead().text == "=") {
      argument.name = take_name();
      next();
    } else if (!arguments.empty() && (arguments.back().name != kNoName || arguments.back().spread != Spread::kNo)) {
      fail("a positional argument follows a keyword argument");
    }
    argument.value = parse_expression();
    arguments.push_back(std::move(argument));
    if (!skip_op(",")) break;
  }
  want_op(")");
  return arguments;
}

}  // namespace sluice::jinja
