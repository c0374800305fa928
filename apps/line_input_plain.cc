// SPDX-License-Identifier: Apache-2.0
// The twin of line_input_libedit.cc for builds without libedit: the terminal's own line discipline has to do.
#include "line_input.h"

namespace sluice {

std::unique_ptr<LineSource> edited_lines(const std::string&) { return nullptr; }

}  // namespace sluice
