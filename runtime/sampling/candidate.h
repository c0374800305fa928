// SPDX-License-Identifier: Apache-2.0
// A candidate for the next token, the order among candidates, and what every filter needs: weights and a selection that
// stops early. Candidates are ordered by logit, higher first, then by id, lower first: a total order, so results never
// depend on a sort's whims.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

#include "runtime/sampling/exact_exp.h"

namespace sluice {

struct Candidate {
  float logit;
  int32_t token;
};
inline bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

inline constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

inline float max_logit(std::span<const Candidate> candidates) {
  float best = kMinusInfinity;
  for (const Candidate& c : candidates) best = std::max(best, c.logit);
  return best;
}

// logit - max, where an infinite maximum (all logits -inf, or one +inf) is at its own height.
inline double height(float logit, float max) { return logit == max ? 0.0 : double(logit) - double(max); }

// exp((logit - max) / temp): a probability once divided by the sum over all candidates.
inline double weight(float logit, float max, double temp = 1) {
  if (logit == max) return 1.0;
  return exact_exp((double(logit) - double(max)) / temp);
}

// Keeps what `wanted` says, in order; the best where that is nothing.
template <class Wanted>
std::span<Candidate> keep_if(std::span<Candidate> candidates, Wanted wanted) {
  size_t kept = 0;
  for (const Candidate& c : candidates)
    if (wanted(c)) candidates[kept++] = c;
  if (kept > 0 || candidates.empty()) return candidates.first(kept);
  const auto best = std::min_element(candidates.begin(), candidates.end(), ranks_before);
  return candidates.subspan(size_t(best - candidates.begin()), 1);
}

// Takes candidates in the order `before` as long as wanted(next), and the first in any case; these come out, in
// order. A heap: what is wanted ends long before a whole vocabulary would be sorted.
template <class Before, class Wanted, class Take>
std::span<Candidate> take_in_order(std::span<Candidate> candidates, Before before, Wanted wanted, Take take) {
  const auto after = [&](const Candidate& a, const Candidate& b) { return before(b, a); };
  const size_t n = candidates.size();
  std::make_heap(candidates.begin(), candidates.end(), after);
  size_t taken = 0;  // they lie behind the shrinking heap, in reverse
  while (taken < n && (taken == 0 || wanted(candidates.front()))) {
    std::pop_heap(candidates.begin(), candidates.end() - taken, after);
    ++taken;
    take(candidates[n - taken]);
  }
  std::reverse(candidates.begin(), candidates.end());
  return candidates.first(taken);
}

}  // namespace sluice
