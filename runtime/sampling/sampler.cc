// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampling/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "runtime/sampling/exact_exp.h"
#include "runtime/sampling/random.h"

namespace sluice {

uint64_t Sampler::buffer_bytes(uint32_t n_vocab, uint32_t n_ctx) {
  return round_up(uint64_t(n_vocab) * (sizeof(Candidate) + sizeof(float)) + uint64_t(n_ctx) * sizeof(int32_t), 4096);
}

Result<Sampler> Sampler::create(uint32_t n_vocab, uint32_t n_ctx, Accountant& accountant) {
  Sampler sampler;
  SLUICE_TRY(sampler.block_, accountant.allocate(MemoryKind::kLogits, buffer_bytes(n_vocab, n_ctx)));
  auto* candidates = reinterpret_cast<Candidate*>(sampler.block_.data());
  auto* adjusted = reinterpret_cast<float*>(candidates + n_vocab);
  sampler.candidates_ = {candidates, n_vocab};
  sampler.adjusted_ = {adjusted, n_vocab};
  sampler.sorted_ = {reinterpret_cast<int32_t*>(adjusted + n_vocab), n_ctx};
  return sampler;
}

int32_t Sampler::pick(const SamplingOptions& options, std::span<const float> logits, std::span<const int32_t> history,
                      uint64_t counter) {
  if (!options.bias.empty() || options.penalties.active()) {
    std::copy(logits.begin(), logits.end(), adjusted_.begin());
    for (const TokenBias& b : options.bias)
      if (b.token >= 0 && size_t(b.token) < logits.size()) adjusted_[b.token] += b.value;
    size_t n = options.penalty_last_n < 0 ? history.size() : std::min<size_t>(options.penalty_last_n, history.size());
    n = std::min(n, sorted_.size());
    if (options.penalties.active()) apply_penalties(options.penalties, history.last(n), sorted_, adjusted_);
    logits = adjusted_;
  }
  if (!(options.temp > 0)) return argmax(logits);

  std::span<Candidate> kept = take_top_k(logits, options.top_k > 0 ? size_t(options.top_k) : 0, candidates_);
  if (options.top_p < 1) kept = keep_top_p(kept, options.top_p);
  if (options.min_p > 0) kept = keep_min_p(kept, options.min_p);
  return draw(kept, options.temp, uniform_draw(options.seed, counter));
}

LogProbs log_probs(std::span<const float> logits) {
  float max = -INFINITY;
  for (float l : logits) max = std::max(max, l);
  double sum = 0;
  for (float l : logits) sum += exact_exp(double(l) - double(max));
  return {double(max) + std::log(sum)};
}

}  // namespace sluice
