// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampling/mirostat.h"

#include <cmath>

#include "runtime/sampling/exact_log.h"

namespace sluice {
namespace {

constexpr double kLn2 = 0.6931471805599453;

double sum_of_weights(std::span<const Candidate> candidates, float max, double temp) {
  double sum = 0;
  for (const Candidate& c : candidates) sum += weight(c.logit, max, temp);
  return sum;
}

}  // namespace

size_t mirostat_count(std::span<const Candidate> best, double temp, double mu, size_t n_vocab) {
  // Zipf's law p(i) ~ i^-s, s by least squares over ratios of neighbours.
  double products = 0, squares = 0;
  for (size_t i = 0; i + 1 < best.size() && std::isfinite(best[i].logit) && std::isfinite(best[i + 1].logit); ++i) {
    const double t = exact_log(double(i + 2) / double(i + 1));
    products += t * ((double(best[i].logit) - double(best[i + 1].logit)) / temp);
    squares += t * t;
  }
  if (squares == 0) return 1;
  const double s = products / squares;

  // k = (e 2^mu / (1 - N^-e))^(1/s) with e = s - 1; the limit is 2^mu / ln N where e vanishes. In logarithms.
  constexpr double kTiny = 1e-9;
  const double e = s - 1, log_n = exact_log(double(n_vocab));
  double log_ratio = -exact_log(log_n);
  if (e > kTiny) log_ratio = exact_log(e / (1 - exact_exp(-e * log_n)));
  if (e < -kTiny) log_ratio = exact_log(-e / (1 - exact_exp(e * log_n))) + e * log_n;
  const double log_k = (log_ratio + mu * kLn2) / std::max(s, kTiny);
  if (!(log_k > 0)) return 1;
  if (log_k >= log_n) return n_vocab;
  return std::min(n_vocab, size_t(1 / exact_exp(-log_k)));
}

std::span<Candidate> keep_unsurprising(std::span<Candidate> candidates, double temp, double mu) {
  const float max = max_logit(candidates);
  // -log2 (w / Σw) <= mu
  const double least = exact_exp(-mu * kLn2) * sum_of_weights(candidates, max, temp);
  return keep_if(candidates, [&](const Candidate& c) { return weight(c.logit, max, temp) >= least; });
}

float mirostat_update(std::span<const Candidate> candidates, double temp, size_t drawn, const Mirostat& options,
                      float mu) {
  const float max = max_logit(candidates);
  const double p = weight(candidates[drawn].logit, max, temp) / sum_of_weights(candidates, max, temp);
  const double surprise = -exact_log(p) / kLn2;
  const float next = float(double(mu) - double(options.rate) * (surprise - double(options.target)));
  return next != 0 ? next : std::numeric_limits<float>::min();
}

}  // namespace sluice
