// SPDX-License-Identifier: Apache-2.0
// Between the verbs and what is known of a model's speed: a plan asks, a run is warned and tells what it reached.
#pragma once
#include "model_arg.h"

namespace sluice {

// For a plan of `facts`: fills token_s, context_GB_s and disk_GB_s of `options` with what is kept, or measures and
// keeps it; a plan that does not fit is not measured. Left at 0 where nothing is known; `problem` says why.
struct Expectation {
  bool token_from_run = false, disk_from_run = false;
  std::string problem;
};
Expectation expect_speed(const OpenModel& model, const sluice_plan* plan, const Json& facts, sluice_options& options);

// One line on standard error if the disk, or the limit that was set to it, makes each token take longer than
// kTooLongSeconds: how long, and which budget would cure it. Takes half a second where the disk is not known.
inline constexpr double kTooLongSeconds = 2;
void warn_of_slow_disk(const OpenModel& model, const sluice_plan* plan, sluice_options options);

// After `tokens` were decoded in `seconds`, with about `depth` tokens before each.
void remember_speed(const LoadedModel& model, uint64_t tokens, double seconds, double depth);

}  // namespace sluice
