// SPDX-License-Identifier: Apache-2.0
// inspect --check: an open model against the file it was made from, weight by weight.
#pragma once
#include <string>

#include "model_arg.h"
#include "sluice/convert.h"

namespace sluice {

// `facts`: the description of the model. Returns 0 when the check ran, whatever it found, or an exit code after a
// complaint.
int check_source(const OpenModel& model, const Json& facts, const std::string& source, CheckReport& report);

Json check_json(const CheckReport& report, const std::string& source);
void print_check(const CheckReport& report, const std::string& source);

}  // namespace sluice
