// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampling/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/accountant.h"
#include "runtime/sampling/exact_exp.h"
#include "runtime/sampling/random.h"

namespace sluice {
namespace {

// The last `n` tokens (-1: all), at most `most`.
std::span<const int32_t> window(std::span<const int32_t> history, int32_t n, size_t most) {
  const size_t wanted = n < 0 ? history.size() : std::min<size_t>(size_t(n), history.size());
  return history.last(std::min(wanted, most));
}

}  // namespace

uint64_t Sampler::buffer_bytes(uint32_t n_vocab, uint32_t n_ctx) {
  return block_bytes(uint64_t(n_vocab) * (sizeof(Candidate) + sizeof(float)) +
                     uint64_t(n_ctx) * (sizeof(Repetition) + sizeof(int32_t)));
}

Result<Sampler> Sampler::create(uint32_t n_vocab, uint32_t n_ctx, Accountant& accountant) {
  Sampler sampler;
  SLUICE_TRY(sampler.block_, accountant.allocate(MemoryKind::kLogits, buffer_bytes(n_vocab, n_ctx)));
  auto* candidates = reinterpret_cast<Candidate*>(sampler.block_.data());
  auto* repetitions = reinterpret_cast<Repetition*>(candidates + n_vocab);
  auto* adjusted = reinterpret_cast<float*>(repetitions + n_ctx);
  sampler.candidates_ = {candidates, n_vocab};
  sampler.repetitions_ = {repetitions, n_ctx};
  sampler.adjusted_ = {adjusted, n_vocab};
  sampler.sorted_ = {reinterpret_cast<int32_t*>(adjusted + n_vocab), n_ctx};
  return sampler;
}

int32_t Sampler::pick(const SamplingOptions& options, std::span<const float> logits, std::span<const int32_t> history,
                      uint64_t counter, SamplingState* state) {
  logits = adjust(options, logits, history, state);
  if (!(options.temp > 0)) return argmax(logits);
  if (options.mirostat.version != 0) return pick_mirostat(options, logits, counter, state);

  const std::span<Candidate> kept = filter(options, logits, counter);
  double temp = options.temp;
  if (options.dynamic_temp.range > 0) temp = dynamic_temperature(kept, temp, options.dynamic_temp);
  if (!(temp > 0)) return keep_top_k(kept, 1)[0].token;
  return draw(kept, temp, uniform_draw(options.seed, counter));
}

std::span<const float> Sampler::adjust(const SamplingOptions& options, std::span<const float> logits,
                                       std::span<const int32_t> history, SamplingState* state) {
  const bool mirostat = options.mirostat.version != 0;
  const bool penalties = options.penalties.active() && !mirostat, dry = options.dry.active() && !mirostat;
  if (options.bias.empty() && !penalties && !dry) return logits;
  std::copy(logits.begin(), logits.end(), adjusted_.begin());
  for (const TokenBias& b : options.bias)
    if (b.token >= 0 && size_t(b.token) < logits.size()) adjusted_[b.token] += b.value;
  if (penalties)
    apply_penalties(options.penalties, window(history, options.penalty_last_n, sorted_.size()), sorted_, adjusted_);
  if (dry) {
    SequenceBreakers* breakers = state ? state->breakers : nullptr;
    if (breakers) breakers->follow(history);
    apply_dry(options.dry, window(history, options.dry.last_n, sorted_.size()), breakers, {sorted_, repetitions_},
              adjusted_);
  }
  return adjusted_;
}

std::span<Candidate> Sampler::filter(const SamplingOptions& options, std::span<const float> logits, uint64_t counter) {
  const size_t k = options.top_k > 0 ? size_t(options.top_k) : 0;
  const bool sigma = options.top_n_sigma > 0;
  std::span<Candidate> kept = take_top_k(logits, sigma ? 0 : k, candidates_);
  if (sigma) kept = keep_top_k(keep_top_n_sigma(kept, options.top_n_sigma), k);
  if (options.typical < 1) kept = keep_typical(kept, options.typical);
  if (options.top_h > 0 && options.top_h < 1) kept = keep_top_h(kept, options.top_h);
  if (options.top_p < 1) kept = keep_top_p(kept, options.top_p);
  if (options.min_p > 0) kept = keep_min_p(kept, options.min_p);
  if (options.xtc.active() && xtc_draw(options.seed, counter) < options.xtc.probability)
    kept = exclude_top_choices(kept, options.xtc.threshold);
  return kept;
}

int32_t Sampler::pick_mirostat(const SamplingOptions& options, std::span<const float> logits, uint64_t counter,
                               SamplingState* state) {
  const Mirostat& mirostat = options.mirostat;
  const float mu = state && state->mu != 0 ? state->mu : mirostat.start();
  std::span<Candidate> kept;
  if (mirostat.version == 1) {
    const auto best = take_top_k(logits, kMirostatSample, candidates_);
    kept = take_top_k(logits, mirostat_count(best, options.temp, mu, logits.size()), candidates_);
  } else {
    kept = keep_unsurprising(take_top_k(logits, 0, candidates_), options.temp, mu);
  }
  const size_t drawn = draw_index(kept, options.temp, uniform_draw(options.seed, counter));
  if (state) state->mu = mirostat_update(kept, options.temp, drawn, mirostat, mu);
  return kept[drawn].token;
}

LogProbs log_probs(std::span<const float> logits) {
  float max = -INFINITY;
  for (float l : logits) max = std::max(max, l);
  double sum = 0;
  for (float l : logits) sum += exact_exp(double(l) - double(max));
  return {double(max) + std::log(sum)};
}

}  // namespace sluice
