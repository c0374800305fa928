// SPDX-License-Identifier: Apache-2.0
// The speed that plans predict over their budgets, and its picture.
#pragma once
#include <string>
#include <vector>

#include "files.h"
#include "sluice/sluice.h"

namespace sluice {

struct CurvePoint {
  uint64_t budget_bytes = 0;
  double decode_tok_s = 0;
  uint64_t streamed_bytes_per_token = 0;
};

// Plans of the model for budgets from the smallest to one that keeps all weights in memory, and beyond it to the budget
// that `facts`, the description of the plan by `options`, names if that is not much larger. Empty without a prediction.
std::vector<CurvePoint> speed_curve(const sluice_model* model, const sluice_options& options, const Json& facts);

// The smallest budget above that of `options` with which a token takes at most so long, in whole MiB; 0: none up to
// `most` bytes.
uint64_t budget_for(const sluice_model* model, const sluice_options& options, double token_s, uint64_t most);

// What is marked and written in a picture of a curve.
struct CurveLooks {
  std::string title, subtitle;
  uint64_t minimum_bytes = 0, resident_bytes = 0, budget_bytes = 0;
};
// A picture that stands alone, for light and dark backgrounds.
std::string curve_svg(const std::vector<CurvePoint>& curve, const CurveLooks& looks);

}  // namespace sluice
