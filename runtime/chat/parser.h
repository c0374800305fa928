// SPDX-License-Identifier: Apache-2.0
// Tokens to a parsed template, by recursive descent with a limit on nesting.
#pragma once
#include <memory>
#include <string_view>

#include "base/result.h"
#include "runtime/chat/ast.h"

namespace sluice::jinja {

// kBadModel with the line: syntax errors, and constructs, filters and tests that the interpreter does not know.
Result<std::unique_ptr<Template>> parse(std::string_view text, uint32_t max_depth);

// What the filters_*.cc and is_tests.cc implement.
bool known_filter(std::string_view name);
bool known_test(std::string_view name);

}  // namespace sluice::jinja
