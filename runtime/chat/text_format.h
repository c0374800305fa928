// SPDX-License-Identifier: Apache-2.0
// Python's two ways to format texts: '%d of %s' % (1, 'a') and '{} of {}'.format(1, 'a').
#pragma once
#include "runtime/chat/interpreter.h"

namespace sluice::jinja {

// `operand`: a tuple of values, a dict for %(name)s, or one value.
Value percent_format(Interpreter& in, const Value& pattern, const Value& operand);

Value brace_format(Interpreter& in, const Value& pattern, const Arguments& arguments);

}  // namespace sluice::jinja
