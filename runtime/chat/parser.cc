// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat/parser.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <unordered_map>

#include "runtime/chat/json_reader.h"
#include "runtime/chat/lexer.h"

namespace sluice::jinja {
namespace {

// The first error sticks; after it current() is the end, so that every loop stops.
class Parser {
 public:
  Parser(std::vector<Token> tokens, uint32_t max_depth)
      : tokens_(std::move(tokens)), max_depth_(max_depth), template_(std::make_unique<Template>()) {}

  Result<std::unique_ptr<Template>> run() {
    template_->body = parse_body({});
    if (failed_) return error_;
    return std::move(template_);
  }

 private:
  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) {
      if (++parser.depth_ > parser.max_depth_)
        parser.fail("nested more than " + std::to_string(parser.max_depth_) + " deep");
    }
    ~Deeper() { --parser.depth_; }
    Parser& parser;
  };

  const Token& current() const { return failed_ ? tokens_.back() : tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  uint32_t line() const { return tokens_[at_].line; }
  void next() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  void fail(const std::string& message) { fail_at(line(), message); }
  void fail_at(uint32_t line, const std::string& message) {
    if (!failed_) error_ = template_error(line, message);
    failed_ = true;
  }

  bool is(TokenKind kind) const { return !failed_ && current().kind == kind; }
  bool is_op(std::string_view op) const { return is(TokenKind::kOperator) && current().text == op; }
  bool is_name(std::string_view name) const { return is(TokenKind::kName) && current().text == name; }
  bool skip_op(std::string_view op) {
    bool here = is_op(op);
    if (here) next();
    return here;
  }
  bool skip_name(std::string_view name) {
    bool here = is_name(name);
    if (here) next();
    return here;
  }
  std::string described() const;
  void want_op(std::string_view op) {
    if (!skip_op(op)) fail("expected '" + std::string(op) + "', found " + described());
  }
  void want_name(std::string_view name) {
    if (!skip_name(name)) fail("expected '" + std::string(name) + "', found " + described());
  }
  void want_block_end() {
    if (is(TokenKind::kBlockEnd)) return next();
    fail("expected the end of the statement, found " + described());
  }
  uint32_t intern(const std::string& name) {
    auto [it, added] = name_ids_.emplace(name, uint32_t(template_->names.size()));
    if (added) template_->names.push_back(name);
    return it->second;
  }
  uint32_t take_name() {
    if (!is(TokenKind::kName)) {
      fail("expected a name, found " + described());
      return 0;
    }
    uint32_t name = intern(current().text);
    next();
    return name;
  }

  ExprPtr make(ExprKind kind) const {
    auto e = std::make_unique<Expr>();
    e->kind = kind;
    e->line = line();
    return e;
  }
  ExprPtr constant(Value v) const {
    ExprPtr e = make(ExprKind::kConstant);
    e->constant = std::move(v);
    return e;
  }

  Body parse_body(std::initializer_list<std::string_view> ends);
  Statement parse_statement();
  void parse_if(Statement& s);
  void parse_for(Statement& s);
  void parse_set(Statement& s);
  void parse_parameters(Statement& s);
  void parse_macro(Statement& s);
  void parse_call_block(Statement& s);
  void parse_with(Statement& s);
  Body body_until(std::string_view end) {
    want_block_end();
    Body body = parse_body({end});
    want_name(end);
    return body;
  }

  ExprPtr parse_tuple();
  ExprPtr parse_expression();
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  ExprPtr parse_compare();
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_unary();
  ExprPtr parse_primary();
  ExprPtr parse_number();
  void parse_postfix(ExprPtr& e, bool filters);
  Link parse_subscript();
  Link parse_filter();
  Link parse_test();
  std::vector<Argument> parse_arguments();
  std::string dotted_name();
  template <class Next>
  ExprPtr arithmetic(Next parse_next, std::initializer_list<std::pair<std::string_view, Op>> ops);

  std::vector<Token> tokens_;
  size_t at_ = 0;
  uint32_t depth_ = 0, max_depth_;
  uint32_t loops_ = 0;       // loops around this place in the same macro
  uint32_t conditions_ = 0;  // {% if %} around this place: as in Jinja, what is unknown there fails when it runs
  bool failed_ = false;
  Error error_;
  std::unique_ptr<Template> template_;
  std::unordered_map<std::string, uint32_t> name_ids_;
};

std::string Parser::described() const {
  switch (current().kind) {
    case TokenKind::kName:
    case TokenKind::kOperator:
      return "'" + current().text + "'";
    case TokenKind::kString:
      return "a string";
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return "a number";
    case TokenKind::kEnd:
      return "the end of the template";
    default:
      return "the end of the tag";
  }
}

// ---- statements ---------------------------------------------------------------------------------------------------

// Statements up to a block that begins with one of `ends`; stops at that name.
Body Parser::parse_body(std::initializer_list<std::string_view> ends) {
  Deeper deeper(*this);
  Body body;
  while (!failed_) {
    uint32_t at_line = line();
    if (is(TokenKind::kEnd)) {
      if (ends.size()) fail("a block is not closed: expected {% " + std::string(*(ends.end() - 1)) + " %}");
      break;
    }
    if (is(TokenKind::kText)) {
      Statement s{StatementKind::kText, at_line, current().text, kNoName, kNoName, {}, {}, {}, {}, {}};
      next();
      body.push_back(std::move(s));
    } else if (is(TokenKind::kOutputBegin)) {
      next();
      Statement s{StatementKind::kOutput, at_line, "", kNoName, kNoName, {}, {}, {}, {}, {}};
      s.expressions.push_back(parse_tuple());
      if (!is(TokenKind::kOutputEnd)) fail("expected '}}', found " + described());
      next();
      body.push_back(std::move(s));
    } else {
      next();  // {%
      if (is(TokenKind::kName) && std::find(ends.begin(), ends.end(), current().text) != ends.end()) return body;
      body.push_back(parse_statement());
    }
  }
  return body;
}

Statement Parser::parse_statement() {
  Statement s{StatementKind::kBody, line(), "", kNoName, kNoName, {}, {}, {}, {}, {}};
  if (!is(TokenKind::kName)) {
    fail("expected a statement, found " + described());
    return s;
  }
  std::string word = current().text;
  next();
  if (word == "if") {
    parse_if(s);
  } else if (word == "for") {
    parse_for(s);
  } else if (word == "set") {
    parse_set(s);
  } else if (word == "macro") {
    parse_macro(s);
  } else if (word == "call") {
    parse_call_block(s);
  } else if (word == "filter") {
    s.kind = StatementKind::kFilter;
    s.filters.push_back(parse_filter());
    while (skip_op("|")) s.filters.push_back(parse_filter());
    s.bodies.push_back(body_until("endfilter"));
  } else if (word == "with") {
    parse_with(s);
  } else if (word == "generation") {
    // Marks the assistant's part for training; the text is the same.
    s.bodies.push_back(body_until("endgeneration"));
  } else if (word == "break" || word == "continue") {
    s.kind = word == "break" ? StatementKind::kBreak : StatementKind::kContinue;
    if (loops_ == 0) fail("'" + word + "' outside a loop");
  } else {
    fail_at(s.line, "unknown statement '" + word + "'");
  }
  want_block_end();
  return s;
}

void Parser::parse_if(Statement& s) {
  s.kind = StatementKind::kIf;
  ++conditions_;
  do {
    s.expressions.push_back(parse_tuple());
    want_block_end();
    s.bodies.push_back(parse_body({"elif", "else", "endif"}));
  } while (skip_name("elif"));
  if (skip_name("else")) {
    want_block_end();
    s.bodies.push_back(parse_body({"endif"}));
  }
  want_name("endif");
  --conditions_;
}

void Parser::parse_for(Statement& s) {
  s.kind = StatementKind::kFor;
  bool brackets = skip_op("(");
  do {
    if (is_name("in") && !s.targets.empty()) break;
    s.targets.push_back(take_name());
  } while (skip_op(","));
  if (brackets) want_op(")");
  want_name("in");
  // `if` belongs to the loop here, not to a conditional expression.
  ExprPtr first = parse_or();
  if (is_op(",")) {
    ExprPtr tuple = make(ExprKind::kTuple);
    tuple->children.push_back(std::move(first));
    while (skip_op(",")) tuple->children.push_back(parse_or());
    first = std::move(tuple);
  }
  s.expressions.push_back(std::move(first));
  if (skip_name("if")) s.expressions.push_back(parse_expression());
  if (is_name("recursive")) fail("recursive loops are not supported");
  want_block_end();
  ++loops_;
  s.bodies.push_back(parse_body({"else", "endfor"}));
  --loops_;
  if (skip_name("else")) {
    want_block_end();
    s.bodies.push_back(parse_body({"endfor"}));
  }
  want_name("endfor");
}

void Parser::parse_set(Statement& s) {
  s.kind = StatementKind::kSet;
  bool brackets = skip_op("(");
  do {
    if (is_op("=")) break;  // a comma at the end
    s.targets.push_back(take_name());
  } while (skip_op(","));
  if (brackets) want_op(")");
  if (s.targets.size() == 1 && skip_op(".")) {
    s.name = s.targets[0];
    s.attribute = take_name();
    s.targets.clear();
  }
  if (skip_op("=")) {
    s.expressions.push_back(parse_tuple());
    return;
  }
  s.kind = StatementKind::kSetBlock;
  if (s.targets.size() > 1) fail("a {% set %} block has one target");
  while (skip_op("|")) s.filters.push_back(parse_filter());
  s.bodies.push_back(body_until("endset"));
}

void Parser::parse_parameters(Statement& s) {
  want_op("(");
  while (!failed_ && !is_op(")")) {
    auto parameter = std::make_shared<Parameter>();
    parameter->name = take_name();
    if (skip_op("=")) {
      parameter->fallback = parse_expression();
    } else if (!s.parameters.empty() && s.parameters.back()->fallback) {
      fail("a parameter without default follows one with default");
    }
    s.parameters.push_back(std::move(parameter));
    if (!skip_op(",")) break;
  }
  want_op(")");
}

void Parser::parse_macro(Statement& s) {
  s.kind = StatementKind::kMacro;
  s.name = take_name();
  parse_parameters(s);
  uint32_t loops = std::exchange(loops_, 0);
  s.bodies.push_back(body_until("endmacro"));
  loops_ = loops;
}

void Parser::parse_call_block(Statement& s) {
  s.kind = StatementKind::kCall;
  if (is_op("(")) parse_parameters(s);
  s.expressions.push_back(parse_expression());
  const Expr& e = *s.expressions.back();
  if (!failed_ && (e.kind != ExprKind::kChain || e.links.back().kind != LinkKind::kCall))
    fail("{% call %} needs a call");
  s.name = intern("caller");
  uint32_t loops = std::exchange(loops_, 0);
  s.bodies.push_back(body_until("endcall"));
  loops_ = loops;
}

void Parser::parse_with(Statement& s) {
  s.kind = StatementKind::kWith;
  while (is(TokenKind::kName)) {
    s.targets.push_back(take_name());
    want_op("=");
    s.expressions.push_back(parse_expression());
    if (!skip_op(",")) break;
  }
  s.bodies.push_back(body_until("endwith"));
}

// ---- expressions, from the loosest to the tightest ----------------------------------------------------------------

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
  if (!known_filter(name) && conditions_ == 0) fail_at(link.line, "unknown filter '" + name + "'");
  link.name = intern(name);
  if (is_op("(")) link.arguments = parse_arguments();
  return link;
}

Link Parser::parse_test() {
  Link link{LinkKind::kTest, line(), kNoName, false, {}};
  link.negated = skip_name("not");
  std::string name = dotted_name();
  if (!known_test(name) && conditions_ == 0) fail_at(link.line, "unknown test '" + name + "'");
  link.name = intern(name);
  if (is_op("(")) {
    link.arguments = parse_arguments();
    return link;
  }
  bool operand = is(TokenKind::kString) || is(TokenKind::kInteger) || is(TokenKind::kFloat) || is_op("[") || is_op("{");
  if (is(TokenKind::kName)) {
    static constexpr std::string_view kAfter[] = {"else", "or", "and", "if", "is", "in", "not"};
    operand = std::find(std::begin(kAfter), std::end(kAfter), current().text) == std::end(kAfter);
  }
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
    if (is_op("*") || is_op("**")) fail("arguments with '" + current().text + "' are not supported");
    if (is(TokenKind::kName) && ahead().kind == TokenKind::kOperator && ahead().text == "=") {
      argument.name = take_name();
      next();
    } else if (!arguments.empty() && arguments.back().name != kNoName) {
      fail("a positional argument follows a keyword argument");
    }
    argument.value = parse_expression();
    arguments.push_back(std::move(argument));
    if (!skip_op(",")) break;
  }
  want_op(")");
  return arguments;
}

}  // namespace

Result<std::unique_ptr<Template>> parse(std::string_view text, uint32_t max_depth) {
  SLUICE_TRY(std::vector<Token> tokens, lex(text));
  return Parser(std::move(tokens), max_depth).run();
}

}  // namespace sluice::jinja
