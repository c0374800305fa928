// SPDX-License-Identifier: Apache-2.0
// Cuts a template into text and tokens, with Jinja's white space rules (trim_blocks, lstrip_blocks, "-", "+", raw).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice::jinja {

enum class TokenKind : uint8_t {
  kText,
  kOutputBegin,
  kOutputEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenKind kind;
  std::string text;  // names and operators as written, strings with escapes resolved
  uint32_t line;
};

// kBadModel with the line of what cannot be read.
Result<std::vector<Token>> lex(std::string_view text);

Error template_error(uint32_t line, const std::string& message);

}  // namespace sluice::jinja
