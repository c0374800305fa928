// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampling/filters.h"

#include <algorithm>
#include <limits>

#include "runtime/sampling/exact_exp.h"

namespace sluice {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

float max_logit(std::span<const Candidate> candidates) {
  float best = kMinusInfinity;
  for (const Candidate& c : candidates) best = std::max(best, c.logit);
  return best;
}

// exp(logit - max), where an infinite maximum (all logits -inf, or one +inf) leaves only its equals.
double weight(float logit, float max, double temp) {
  if (logit == max) return 1.0;
  return exact_exp((double(logit) - double(max)) / temp);
}

}  // namespace

void apply_penalties(const Penalties& penalties, std::span<const int32_t> recent, std::span<int32_t> sorted,
                     std::span<float> logits) {
  std::copy(recent.begin(), recent.end(), sorted.begin());
  const auto end = sorted.begin() + recent.size();
  std::sort(sorted.begin(), end);
  for (auto run = sorted.begin(); run != end;) {
    const auto next = std::upper_bound(run, end, *run);
    if (*run >= 0 && size_t(*run) < logits.size()) {
      float& l = logits[*run];
      l = l > 0 ? l / penalties.repeat : l * penalties.repeat;
      l -= float(next - run) * penalties.frequency + penalties.presence;
    }
    run = next;
  }
}

int32_t argmax(std::span<const float> logits) {
  size_t best = 0;
  float best_logit = kMinusInfinity;
  for (size_t i = 0; i < logits.size(); ++i)
    if (logits[i] > best_logit) best_logit = logits[i], best = i;
  return int32_t(best);
}

std::span<Candidate> take_top_k(std::span<const float> logits, size_t k, std::span<Candidate> out) {
  const auto candidate = [&](size_t i) {
    return Candidate{logits[i] == logits[i] ? logits[i] : kMinusInfinity, int32_t(i)};
  };
  if (k == 0 || k >= logits.size()) {
    for (size_t i = 0; i < logits.size(); ++i) out[i] = candidate(i);
    if (k != 0) std::sort(out.begin(), out.begin() + logits.size(), ranks_before);
    return out.first(logits.size());
  }
  // A heap of the k best with the worst of them on top: almost every logit fails one comparison.
  for (size_t i = 0; i < k; ++i) out[i] = candidate(i);
  const auto begin = out.begin(), end = out.begin() + k;
  std::make_heap(begin, end, ranks_before);
  for (size_t i = k; i < logits.size(); ++i) {
    if (!(logits[i] > begin->logit)) continue;  // an equal logit has a higher id than all before it
    std::pop_heap(begin, end, ranks_before);
    *(end - 1) = candidate(i);
    std::push_heap(begin, end, ranks_before);
  }
  std::sort_heap(begin, end, ranks_before);
  return out.first(k);
}

std::span<Candidate> keep_top_p(std::span<Candidate> candidates, double p) {
  if (candidates.empty()) return candidates;
  const float max = max_logit(candidates);
  double sum = 0;
  for (const Candidate& c : candidates) sum += weight(c.logit, max, 1.0);

  // Heap selection from the best on: the sum is reached long before a whole vocabulary would be sorted. Each best goes
  // behind the shrinking heap, so at the end the kept ones lie in reverse at the back.
  const auto ranks_after = [](const Candidate& a, const Candidate& b) { return ranks_before(b, a); };
  const size_t n = candidates.size();
  std::make_heap(candidates.begin(), candidates.end(), ranks_after);
  double running = 0;
  size_t kept = 0;
  while (kept < n && (kept == 0 || running < p * sum)) {
    std::pop_heap(candidates.begin(), candidates.end() - kept, ranks_after);
    ++kept;
    running += weight(candidates[n - kept].logit, max, 1.0);
  }
  std::reverse(candidates.begin(), candidates.end());
  return candidates.first(kept);
}

std::span<Candidate> keep_min_p(std::span<Candidate> candidates, double min_p) {
  const float max = max_logit(candidates);
  size_t kept = 0;
  for (const Candidate& c : candidates)
    if (weight(c.logit, max, 1.0) >= min_p) candidates[kept++] = c;
  return candidates.first(std::max<size_t>(kept, std::min<size_t>(1, candidates.size())));
}

int32_t draw(std::span<const Candidate> candidates, double temp, double u) {
  const float max = max_logit(candidates);
  double sum = 0;
  for (const Candidate& c : candidates) sum += weight(c.logit, max, temp);
  double running = 0;
  int32_t last = candidates.front().token;
  for (const Candidate& c : candidates) {
    const double w = weight(c.logit, max, temp);
    if (w == 0) continue;  // what has no probability is never drawn, u = 0 included
    running += w;
    last = c.token;
    if (running >= u * sum) break;
  }
  return last;
}

}  // namespace sluice
