// SPDX-License-Identifier: Apache-2.0
// Logits to a token:
//   bias → penalties → DRY → top-n-sigma → top-k → typical → top-H → top-p → min-p → XTC → temperature → draw,
// or with mirostat: bias → temperature → mirostat → draw. Each is off unless asked for; all filters before the
// temperature see probabilities at temperature 1. Knows nothing of sessions; the caller gives the tokens to look back
// over and the number of the draw.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/accountant.h"
#include "runtime/sampling/dry.h"
#include "runtime/sampling/entropy.h"
#include "runtime/sampling/filters.h"
#include "runtime/sampling/mirostat.h"

namespace sluice {

struct TokenBias {
  int32_t token;
  float value;
};

struct SamplingOptions {
  float temp = 0.8f;  // <= 0: greedy; nothing after DRY is applied then
  int32_t top_k = 40;
  float top_p = 0.95f, min_p = 0.05f;
  Penalties penalties;
  int32_t penalty_last_n = 64;  // -1: all
  uint64_t seed = 0;
  std::span<const TokenBias> bias;
  float typical = 1;      // >= 1: off
  float top_h = 0;        // <= 0 or >= 1: off
  float top_n_sigma = 0;  // <= 0: off
  Xtc xtc;
  DynamicTemperature dynamic_temp;
  Dry dry;
  Mirostat mirostat;
};

// What one answer carries from draw to draw; all else is a function of options, logits, history and counter.
struct SamplingState {
  float mu = 0;                          // mirostat's bound; 0: at its beginning
  SequenceBreakers* breakers = nullptr;  // DRY's, of this answer; nullptr: none
};

class Sampler {
 public:
  static uint64_t buffer_bytes(uint32_t n_vocab, uint32_t n_ctx);
  // All memory it will ever use. kNoFit, kNoMemory.
  static Result<Sampler> create(uint32_t n_vocab, uint32_t n_ctx, Accountant& accountant);

  // `history`: all tokens so far, at most n_ctx; `counter`: the position that the token will take; `state`: nullptr for
  // a draw that stands alone. Equal arguments give equal tokens on every machine. Allocates nothing.
  int32_t pick(const SamplingOptions& options, std::span<const float> logits, std::span<const int32_t> history,
               uint64_t counter, SamplingState* state = nullptr);

 private:
  std::span<const float> adjust(const SamplingOptions& options, std::span<const float> logits,
                                std::span<const int32_t> history, SamplingState* state);
  std::span<Candidate> filter(const SamplingOptions& options, std::span<const float> logits, uint64_t counter);
  int32_t pick_mirostat(const SamplingOptions& options, std::span<const float> logits, uint64_t counter,
                        SamplingState* state);

  Block block_;
  std::span<Candidate> candidates_;
  std::span<float> adjusted_;          // logits with bias, penalties and DRY
  std::span<int32_t> sorted_;          // scratch of the penalties and DRY
  std::span<Repetition> repetitions_;  // scratch of DRY
};

// Natural log-probabilities of the model itself, before any filter.
struct LogProbs {
  double log_sum;  // log Σ exp(logit)
  double of(float logit) const { return double(logit) - log_sum; }
};
LogProbs log_probs(std::span<const float> logits);

}  // namespace sluice
