// SPDX-License-Identifier: Apache-2.0
#include "curve.h"

#include <algorithm>

#include "sluice/sluice.hpp"

namespace sluice {

namespace {

constexpr uint64_t kMiB = 1 << 20;

// The plan's description; not an object when there is none.
Json plan_at(const sluice_model* model, sluice_options options, uint64_t budget) {
  options.memory_bytes = budget;
  PlanPtr plan;
  Text text;
  if (sluice_plan_make(model, &options, out(plan), nullptr) != SLUICE_OK) return {};
  if (!sluice_plan_fits(plan.get()) || sluice_plan_describe(plan.get(), text.out(), nullptr) != SLUICE_OK) return {};
  return Json::parse(text.view(), nullptr, false);
}

double rate_of(const Json& facts) {
  if (!facts.is_object() || !facts.contains("predicted") || !facts["predicted"].is_object()) return 0;
  const Json& predicted = facts["predicted"];
  return predicted.contains("decode_tok_s") && predicted["decode_tok_s"].is_number()
             ? predicted["decode_tok_s"].get<double>()
             : 0;
}

uint64_t whole_MiB(uint64_t bytes) { return (bytes + kMiB - 1) / kMiB * kMiB; }

}  // namespace

std::vector<CurvePoint> speed_curve(const sluice_model* model, const sluice_options& options, const Json& facts) {
  constexpr int kPoints = 32;
  const uint64_t least = count_in(facts, "minimum_bytes"), all = std::max(count_in(facts, "resident_bytes"), least);
  const uint64_t budget = count_in(facts, "budget_bytes"), beyond = all + std::max(all / 8, kMiB);
  std::vector<uint64_t> budgets = {least, all, beyond};
  for (int i = 1; i < kPoints; ++i) budgets.push_back(whole_MiB(least + (all - least) / kPoints * uint64_t(i)));
  if (budget >= least && budget < beyond) budgets.push_back(budget);
  if (budget >= beyond && budget <= 2 * all) budgets.back() = budget, budgets.push_back(beyond);
  std::sort(budgets.begin(), budgets.end());
  budgets.erase(std::unique(budgets.begin(), budgets.end()), budgets.end());
  std::vector<CurvePoint> curve;
  for (uint64_t bytes : budgets) {
    const Json plan = plan_at(model, options, bytes);
    if (const double rate = rate_of(plan); rate > 0)
      curve.push_back({bytes, rate, count_in(plan, "streamed_bytes_per_token")});
  }
  return curve;
}

uint64_t budget_for(const sluice_model* model, const sluice_options& options, double token_s, uint64_t most) {
  const auto enough = [&](uint64_t n_MiB) {
    const Json plan = plan_at(model, options, n_MiB * kMiB);
    return plan.is_object() && rate_of(plan) >= 1 / token_s;
  };
  uint64_t too_small = options.memory_bytes / kMiB, large = whole_MiB(most) / kMiB;
  if (large <= too_small || !enough(large)) return 0;
  while (large - too_small > 1) {
    const uint64_t middle = too_small + (large - too_small) / 2;
    (enough(middle) ? large : too_small) = middle;
  }
  return large * kMiB;
}

}  // namespace sluice
