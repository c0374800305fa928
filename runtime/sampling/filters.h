// SPDX-License-Identifier: Apache-2.0
// The filters of a sampler, each on its own: logits in, fewer candidates out. Nothing here allocates.
// Candidates are ordered by logit, higher first, then by id, lower first: a total order, so results never depend on a
// sort's whims.
#pragma once
#include <cstdint>
#include <span>

namespace sluice {

struct Candidate {
  float logit;
  int32_t token;
};
inline bool ranks_before(const Candidate& a, const Candidate& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

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

// Keeps the shortest prefix, in order of rank, whose probability reaches p; the result is in order. At least one.
std::span<Candidate> keep_top_p(std::span<Candidate> candidates, double p);

// Keeps candidates whose probability is at least min_p times the best one's; keeps the order. At least one.
std::span<Candidate> keep_min_p(std::span<Candidate> candidates, double min_p);

// The first candidate at which the running sum of exp((logit - max) / temp) reaches u times the whole sum.
int32_t draw(std::span<const Candidate> candidates, double temp, double u);

}  // namespace sluice
