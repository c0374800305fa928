// SPDX-License-Identifier: Apache-2.0
#include "agreement.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sluice {

namespace {

constexpr double kLeastBucket = 1e-9;

double term(double p, double q) {
  p = std::max(p, kLeastBucket), q = std::max(q, kLeastBucket);
  return p * (std::log(p) - std::log(q));
}

}  // namespace

size_t best_of(const float* logits, size_t n) { return size_t(std::max_element(logits, logits + n) - logits); }

double log_sum_exp(const float* logits, size_t n) {
  const double top = logits[best_of(logits, n)];
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += std::exp(double(logits[i]) - top);
  return top + std::log(sum);
}

TopList top_list(const float* logits, size_t n, size_t n_top) {
  const double norm = log_sum_exp(logits, n);
  std::vector<int32_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  n_top = std::min(n_top, n);
  std::partial_sort(order.begin(), order.begin() + ptrdiff_t(n_top), order.end(),
                    [&](int32_t a, int32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  TopList list;
  for (size_t i = 0; i < n_top; ++i) list.emplace_back(order[i], double(logits[order[i]]) - norm);
  return list;
}

double divergence(const TopList& reference, const float* logits, size_t n) {
  const double norm = log_sum_exp(logits, n);
  double sum = 0, rest_p = 1, rest_q = 1;
  for (const auto& [token, log_p] : reference) {
    const double p = std::exp(log_p), q = std::exp(double(logits[token]) - norm);
    sum += term(p, q);
    rest_p -= p, rest_q -= q;
  }
  return sum + term(rest_p, rest_q);
}

void Agreement::add(const TopList& reference, const float* logits, size_t n) {
  const double kl = divergence(reference, logits, n);
  ++positions;
  hits += !reference.empty() && size_t(reference[0].first) == best_of(logits, n);
  kl_sum += kl;
  kl_max = positions == 1 ? kl : std::max(kl_max, kl);
}

void Agreement::add(const Agreement& other) {
  kl_max = positions == 0 ? other.kl_max : other.positions == 0 ? kl_max : std::max(kl_max, other.kl_max);
  positions += other.positions, hits += other.hits;
  kl_sum += other.kl_sum;
}

}  // namespace sluice
