// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampling/entropy.h"

#include <cmath>

#include "runtime/sampling/exact_log.h"

namespace sluice {
namespace {

// With h = logit - max and w = exp(h): p = w / Σw, so H = ln Σw - Σ(w h) / Σw.
struct Sums {
  double weights = 0, heights = 0;  // Σw, Σ(w h)
  void add(const Candidate& c, float max) {
    const double w = weight(c.logit, max);
    if (w == 0) return;  // its height may be infinite
    weights += w;
    heights += w * height(c.logit, max);
  }
  double mean_height() const { return heights / weights; }
  double entropy() const { return exact_log(weights) - mean_height(); }
};

Sums sums_of(std::span<const Candidate> candidates, float max) {
  Sums sums;
  for (const Candidate& c : candidates) sums.add(c, max);
  return sums;
}

}  // namespace

std::span<Candidate> keep_typical(std::span<Candidate> candidates, double p) {
  const float max = max_logit(candidates);
  const Sums all = sums_of(candidates, max);
  // |-ln p - H| = |mean height - height|: no logarithm is needed.
  const auto distance = [&](const Candidate& c) { return std::abs(all.mean_height() - height(c.logit, max)); };
  const auto before = [&](const Candidate& a, const Candidate& b) {
    const double da = distance(a), db = distance(b);
    return da < db || (da == db && ranks_before(a, b));
  };
  double running = 0;
  const std::span<Candidate> kept = take_in_order(
      candidates, before, [&](const Candidate&) { return running <= p * all.weights; },
      [&](const Candidate& c) { running += weight(c.logit, max); });
  std::sort(kept.begin(), kept.end(), ranks_before);
  return kept;
}

std::span<Candidate> keep_top_h(std::span<Candidate> candidates, double alpha) {
  const float max = max_logit(candidates);
  const double bound = alpha * sums_of(candidates, max).entropy();
  // A candidate that is not likelier than any before it never lowers the entropy: the first prefix past the bound ends
  // it.
  Sums prefix;
  const auto fits = [&](const Candidate& next) {
    if (weight(next.logit, max) == 0) return false;
    Sums with = prefix;
    with.add(next, max);
    return with.entropy() <= bound;
  };
  return take_in_order(candidates, ranks_before, fits, [&](const Candidate& c) { prefix.add(c, max); });
}

double dynamic_temperature(std::span<const Candidate> candidates, double temp, const DynamicTemperature& options) {
  if (candidates.size() < 2) return temp;
  const double low = std::max(0.0, temp - options.range), high = temp + options.range;
  const double flat = sums_of(candidates, max_logit(candidates)).entropy() / exact_log(double(candidates.size()));
  // flat^exponent, flat from 0 to 1; rounding may carry it just outside.
  const double power = flat > 0 ? exact_exp(options.exponent * std::min(0.0, exact_log(flat))) : 0.0;
  return low + (high - low) * power;
}

}  // namespace sluice
