// SPDX-License-Identifier: Apache-2.0
// The parser's state and grammar: parse_statements.cc holds the rules of {% … %}, parse_expressions.cc those of what
// stands inside. Only these two include this.
#pragma once
#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "runtime/chat/ast.h"
#include "runtime/chat/lexer.h"

namespace sluice::jinja {

// The first error sticks; after it current() is the end, so that every loop stops.
class Parser {
 public:
  Parser(std::vector<Token> tokens, uint32_t max_depth)
      : tokens_(std::move(tokens)), max_depth_(max_depth), template_(std::make_unique<Template>()) {}

  Result<std::unique_ptr<Template>> run();

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
  std::string described() const;  // the current token, for errors
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
  void parse_macro_body(Statement& s, std::string_view end);
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
  uint32_t loops_ = 0;  // loops around this place in the same macro
  // This macro has spoken of varargs, kwargs, caller.
  bool more_values_ = false, more_names_ = false, takes_caller_ = false;
  uint32_t conditions_ = 0;  // {% if %} around this place: as in Jinja, what is unknown there fails when it runs
  bool failed_ = false;
  Error error_;
  std::unique_ptr<Template> template_;
  std::unordered_map<std::string, uint32_t> name_ids_;
};

}  // namespace sluice::jinja
