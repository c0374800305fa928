// SPDX-License-Identifier: Apache-2.0
// Logits to a token: bias → penalties → top-k → top-p → min-p → temperature → draw. Knows nothing of sessions; the
// caller gives the tokens to look back over and the number of the draw.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/accountant.h"
#include "runtime/sampling/filters.h"

namespace sluice {

struct TokenBias {
  int32_t token;
  float value;
};

struct SamplingOptions {
  float temp = 0.8f;  // <= 0: greedy
  int32_t top_k = 40;
  float top_p = 0.95f, min_p = 0.05f;
  Penalties penalties;
  int32_t penalty_last_n = 64;  // -1: all
  uint64_t seed = 0;
  std::span<const TokenBias> bias;
};

class Sampler {
 public:
  static uint64_t buffer_bytes(uint32_t n_vocab, uint32_t n_ctx);
  // All memory it will ever use. kNoFit, kNoMemory.
  static Result<Sampler> create(uint32_t n_vocab, uint32_t n_ctx, Accountant& accountant);

  // `history`: all tokens so far, at most n_ctx; `counter`: the position that the token will take.
  // Equal arguments give equal tokens on every machine. Allocates nothing.
  int32_t pick(const SamplingOptions& options, std::span<const float> logits, std::span<const int32_t> history,
               uint64_t counter);

 private:
  Block block_;
  std::span<Candidate> candidates_;
  std::span<float> adjusted_;   // logits with bias and penalties
  std::span<int32_t> sorted_;   // scratch of the penalties
};

// Natural log-probabilities of the model itself, before any filter.
struct LogProbs {
  double log_sum;  // log Σ exp(logit)
  double of(float logit) const { return double(logit) - log_sum; }
};
LogProbs log_probs(std::span<const float> logits);

}  // namespace sluice
