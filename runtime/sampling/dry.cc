// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampling/dry.h"

#include <algorithm>
#include <limits>

#include "runtime/sampling/exact_log.h"

namespace sluice {
namespace {

// lengths[k]: how many tokens at the end of the window equal those that end k tokens earlier. The Z-algorithm on the
// reversed window: [left, right) is the match found so far that reaches furthest, and what lies in it is known already.
void match_suffixes(std::span<const int32_t> window, std::span<int32_t> lengths) {
  const size_t n = window.size();
  const auto reversed = [&](size_t i) { return window[n - 1 - i]; };
  size_t left = 0, right = 0;
  for (size_t k = 1; k < n; ++k) {
    size_t length = k < right ? std::min(size_t(lengths[k - left]), right - k) : 0;
    while (k + length < n && reversed(length) == reversed(k + length)) ++length;
    if (k + length > right) left = k, right = k + length;
    lengths[k] = int32_t(length);
  }
}

// base^n, where n goes no further than float32 can hold the power; base >= 1.
double bounded_power(double base, int32_t n) {
  constexpr double kLogOfGreatest = 88.7228391;
  const double most = kLogOfGreatest / exact_log(base);
  if (most < n) n = int32_t(most);
  double power = 1;
  for (double factor = base; n > 0; n /= 2, factor *= factor)
    if (n % 2 == 1) power *= factor;
  return power;
}

}  // namespace

std::span<const Repetition> find_repetitions(std::span<const int32_t> window, int32_t limit, int32_t allowed,
                                             const DryScratch& scratch) {
  if (limit < allowed || window.empty()) return {};
  match_suffixes(window, scratch.lengths);
  size_t n = 0;
  for (size_t k = 1; k < window.size(); ++k) {
    const int32_t length = std::min(scratch.lengths[k], limit);
    if (length >= allowed) scratch.repetitions[n++] = {window[window.size() - k], length};
  }
  const std::span<Repetition> found = scratch.repetitions.first(n);
  std::sort(found.begin(), found.end(), [](const Repetition& a, const Repetition& b) {
    return a.token < b.token || (a.token == b.token && a.length > b.length);
  });
  const auto end = std::unique(found.begin(), found.end(),
                               [](const Repetition& a, const Repetition& b) { return a.token == b.token; });
  return found.first(size_t(end - found.begin()));
}

void apply_dry(const Dry& dry, std::span<const int32_t> window, SequenceBreakers* breakers, const DryScratch& scratch,
               std::span<float> logits) {
  const size_t limit = breakers ? std::min(breakers->tokens_since(), window.size()) : window.size();
  for (const Repetition& r : find_repetitions(window, int32_t(limit), dry.allowed_length, scratch)) {
    if (r.token < 0 || size_t(r.token) >= logits.size() || (breakers && breakers->breaks(r.token))) continue;
    const double penalty = double(dry.multiplier) * bounded_power(dry.base, r.length - dry.allowed_length);
    logits[r.token] -= float(std::min(penalty, double(std::numeric_limits<float>::max())));
  }
}

}  // namespace sluice
