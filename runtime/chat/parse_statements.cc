// SPDX-License-Identifier: Apache-2.0
// {% … %}, the text between, and the whole template.
#include "runtime/chat/grammar.h"
#include "runtime/chat/parser.h"

namespace sluice::jinja {

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

Result<std::unique_ptr<Template>> Parser::run() {
  template_->body = parse_body({});
  if (failed_) return error_;
  return std::move(template_);
}

Statement made(StatementKind kind, uint32_t line) {
  Statement s;
  s.kind = kind;
  s.line = line;
  return s;
}

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
      Statement s = made(StatementKind::kText, at_line);
      s.text = current().text;
      next();
      body.push_back(std::move(s));
    } else if (is(TokenKind::kOutputBegin)) {
      next();
      Statement s = made(StatementKind::kOutput, at_line);
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
  Statement s = made(StatementKind::kBody, line());
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
    s.kind = StatementKind::kWith;
    const uint32_t loops = std::exchange(loops_, 0);  // as in transformers, it is the body of a call
    s.bodies.push_back(body_until("endgeneration"));
    loops_ = loops;
  } else if (word == "break" || word == "continue") {
    s.kind = word == "break" ? StatementKind::kBreak : StatementKind::kContinue;
    if (loops_ == 0) fail("'" + word + "' outside a loop");
  } else {
    fail_at(s.line, "the statement {% " + word + " %} is not known");
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
  s.recursive = skip_name("recursive");
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

void Parser::parse_macro_body(Statement& s, std::string_view end) {
  const uint32_t loops = std::exchange(loops_, 0);
  const bool values = std::exchange(more_values_, false), names = std::exchange(more_names_, false);
  const bool caller = std::exchange(takes_caller_, false);
  s.bodies.push_back(body_until(end));
  loops_ = loops;
  s.more_values = std::exchange(more_values_, values);
  s.more_names = std::exchange(more_names_, names);
  s.takes_caller = std::exchange(takes_caller_, caller);
}

void Parser::parse_macro(Statement& s) {
  s.kind = StatementKind::kMacro;
  s.name = take_name();
  parse_parameters(s);
  parse_macro_body(s, "endmacro");
}

void Parser::parse_call_block(Statement& s) {
  s.kind = StatementKind::kCall;
  if (is_op("(")) parse_parameters(s);
  s.expressions.push_back(parse_expression());
  const Expr& e = *s.expressions.back();
  if (!failed_ && (e.kind != ExprKind::kChain || e.links.back().kind != LinkKind::kCall))
    fail("{% call %} needs a call");
  s.name = intern("caller");
  parse_macro_body(s, "endcall");
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

Result<std::unique_ptr<Template>> parse(std::string_view text, uint32_t max_depth) {
  SLUICE_TRY(std::vector<Token> tokens, lex(text));
  return Parser(std::move(tokens), max_depth).run();
}

}  // namespace sluice::jinja
