// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampling/filters.h"

#include <cmath>

namespace sluice {
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

std::span<Candidate> keep_top_k(std::span<Candidate> candidates, size_t k) {
  if (k == 0) return candidates;
  k = std::min(k, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + k, candidates.end(), ranks_before);
  return candidates.first(k);
}

std::span<Candidate> keep_top_n_sigma(std::span<Candidate> candidates, double n) {
  const float max = max_logit(candidates);
  double sum = 0, squares = 0;
  size_t finite = 0;
  for (const Candidate& c : candidates)
    if (std::isfinite(c.logit)) sum += c.logit, ++finite;
  const double mean = finite ? sum / double(finite) : 0;
  for (const Candidate& c : candidates)
    if (std::isfinite(c.logit)) squares += (c.logit - mean) * (c.logit - mean);
  // The square root is correctly rounded everywhere, unlike the rest of libm.
  const double least = finite ? max - n * std::sqrt(squares / double(finite)) : max;
  return keep_if(candidates, [&](const Candidate& c) { return c.logit >= least; });
}

std::span<Candidate> keep_top_p(std::span<Candidate> candidates, double p) {
  const float max = max_logit(candidates);
  double sum = 0, running = 0;
  for (const Candidate& c : candidates) sum += weight(c.logit, max);
  return take_in_order(
      candidates, ranks_before, [&](const Candidate&) { return running < p * sum; },
      [&](const Candidate& c) { running += weight(c.logit, max); });
}

std::span<Candidate> keep_min_p(std::span<Candidate> candidates, double min_p) {
  const float max = max_logit(candidates);
  return keep_if(candidates, [&](const Candidate& c) { return weight(c.logit, max) >= min_p; });
}

std::span<Candidate> exclude_top_choices(std::span<Candidate> candidates, double threshold) {
  const float max = max_logit(candidates);
  double sum = 0;
  for (const Candidate& c : candidates) sum += weight(c.logit, max);
  const auto is_top = [&](const Candidate& c) { return weight(c.logit, max) >= threshold * sum; };
  const Candidate* last = nullptr;
  for (const Candidate& c : candidates)
    if (is_top(c) && (last == nullptr || ranks_before(*last, c))) last = &c;
  if (last == nullptr) return candidates;
  const int32_t stays = last->token;
  return keep_if(candidates, [&](const Candidate& c) { return c.token == stays || !is_top(c); });
}

size_t draw_index(std::span<const Candidate> candidates, double temp, double u) {
  const float max = max_logit(candidates);
  double sum = 0;
  for (const Candidate& c : candidates) sum += weight(c.logit, max, temp);
  double running = 0;
  size_t last = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double w = weight(candidates[i].logit, max, temp);
    if (w == 0) continue;  // what has no probability is never drawn, u = 0 included
    running += w;
    last = i;
    if (running >= u * sum) break;
  }
  return last;
}

}  // namespace sluice
