// SPDX-License-Identifier: Apache-2.0
// The filters of a sampler that look at logits and probabilities, each on its own: candidates in, fewer candidates out,
// at least one. Those that look at the entropy are in entropy.h. Nothing here allocates.
#pragma once
#include "runtime/sampling/candidate.h"

namespace sluice {

// What a token list does to the logits: for every distinct token with count c in `recent`
//   l = l > 0 ? l / repeat : l * repeat;  l -= c * frequency + presence.
// `sorted` is scratch of at least recent.size().
struct Penalties {
  float repeat = 1, presence = 0, frequency = 0;
  bool active() const { return repeat != 1 || presence != 0 || frequency != 0; }
};
void apply_penalties(const Penalties& penalties, std::span<const int32_t> recent, std::span<int32_t> sorted,
                     std::span<float> logits);

// The highest logit, the lowest id among equals. NaN never wins; 0 when everything is NaN.
int32_t argmax(std::span<const float> logits);

// Fills `out` with the k best logits in order (k = 0: all, in order of id). NaN counts as -infinity.
std::span<Candidate> take_top_k(std::span<const float> logits, size_t k, std::span<Candidate> out);
// The same among candidates (k = 0: as they are).
std::span<Candidate> keep_top_k(std::span<Candidate> candidates, size_t k);

// Drops logits more than n standard deviations below the best one; the deviation is that of the finite logits as a
// population. Keeps the order.
std::span<Candidate> keep_top_n_sigma(std::span<Candidate> candidates, double n);

// Keeps the shortest prefix, in order of rank, whose probability reaches p; the result is in order.
std::span<Candidate> keep_top_p(std::span<Candidate> candidates, double p);

// Keeps candidates whose probability is at least min_p times the best one's; keeps the order.
std::span<Candidate> keep_min_p(std::span<Candidate> candidates, double min_p);

// "Exclude top choices": of the candidates with a probability of at least `threshold` only the last in rank stays, and
// all below the threshold. Keeps the order. Whether a step does it at all is the caller's draw.
struct Xtc {
  float probability = 0, threshold = 0.1f;
  bool active() const { return probability > 0 && threshold <= 0.5f; }  // two cannot both have more than half
};
std::span<Candidate> exclude_top_choices(std::span<Candidate> candidates, double threshold);

// The first candidate at which the running sum of exp((logit - max) / temp) reaches u times the whole sum: its index.
size_t draw_index(std::span<const Candidate> candidates, double temp, double u);
inline int32_t draw(std::span<const Candidate> candidates, double temp, double u) {
  return candidates[draw_index(candidates, temp, u)].token;
}

}  // namespace sluice
