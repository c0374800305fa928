// SPDX-License-Identifier: Apache-2.0
// How well two predictions agree: top-1 hits and Kullback-Leibler divergence over the listed tokens of the reference
// plus one bucket for all others. Pure arithmetic on logits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace sluice {

// The most probable tokens of a position with their natural-log probabilities, best first.
using TopList = std::vector<std::pair<int32_t, double>>;

double log_sum_exp(const float* logits, size_t n);
size_t best_of(const float* logits, size_t n);  // the lowest index among equals
TopList top_list(const float* logits, size_t n, size_t n_top);

// In nats; each bucket counts at least 1e-9 on both sides.
double divergence(const TopList& reference, const float* logits, size_t n);

struct Agreement {
  size_t positions = 0, hits = 0;
  double kl_sum = 0, kl_max = 0;

  void add(const TopList& reference, const float* logits, size_t n);
  void add(const Agreement& other);
  double top1() const { return positions ? double(hits) / double(positions) : 0; }
  double kl_mean() const { return positions ? kl_sum / double(positions) : 0; }
};

}  // namespace sluice
