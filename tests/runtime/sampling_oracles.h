// SPDX-License-Identifier: Apache-2.0
// What the sampling tests share: logits to try, and the slow definitions that several of them compare with.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "runtime/sampling/random.h"
#include "runtime/sampling/sampler.h"
#include "support/catch.h"

namespace sluice::test {

inline constexpr float kInf = std::numeric_limits<float>::infinity();

// With few distinct values logits have many ties, so that the order among equals matters.
inline std::vector<float> test_logits(size_t n, uint64_t seed, int distinct = 17) {
  std::vector<float> logits(n);
  for (size_t i = 0; i < n; ++i) logits[i] = float(int(uniform_draw(seed, i) * distinct)) * 0.5f - 3.0f;
  return logits;
}
// Logits as a model might give them: from -8 to 8, no two equal, fifty of them likely.
inline std::vector<float> smooth_logits(size_t n, uint64_t seed) {
  std::vector<float> logits(n);
  for (size_t i = 0; i < n; ++i) logits[i] = float(uniform_draw(seed, i) * 16 - 8);
  return logits;
}

inline std::vector<Candidate> in_order_of_id(const std::vector<float>& logits) {
  std::vector<Candidate> c;
  for (size_t i = 0; i < logits.size(); ++i) c.push_back({logits[i], int32_t(i)});
  return c;
}

inline std::vector<Candidate> all_ranked(const std::vector<float>& logits) {
  std::vector<Candidate> c = in_order_of_id(logits);
  std::stable_sort(c.begin(), c.end(), [](const Candidate& a, const Candidate& b) { return a.logit > b.logit; });
  return c;
}

// libm's, at any height of the logits; -inf has probability 0.
inline std::vector<double> softmax(const std::vector<Candidate>& c, double temp = 1) {
  double max = -1e300, sum = 0;
  for (const Candidate& x : c) max = std::max(max, double(x.logit));
  std::vector<double> p;
  for (const Candidate& x : c) p.push_back(std::exp((x.logit - max) / temp)), sum += p.back();
  for (double& x : p) x /= sum;
  return p;
}

inline double entropy(const std::vector<double>& p) {
  double h = 0;
  for (double x : p)
    if (x > 0) h -= x * std::log(x);
  return h;
}

inline std::vector<Candidate> naive_top_p(std::vector<Candidate> c, double top_p) {
  std::stable_sort(c.begin(), c.end(), ranks_before);
  const std::vector<double> p = softmax(c);
  double sum = 0;
  size_t n = 0;
  while (n < c.size()) {
    sum += p[n++];
    if (sum >= top_p) break;
  }
  c.resize(n);
  return c;
}

inline std::vector<Candidate> naive_min_p(const std::vector<Candidate>& c, double min_p) {
  const std::vector<double> p = softmax(c);
  const double best = *std::max_element(p.begin(), p.end());
  std::vector<Candidate> kept;
  for (size_t i = 0; i < c.size(); ++i)
    if (p[i] >= min_p * best) kept.push_back(c[i]);
  return kept;
}

inline std::vector<Candidate> naive_top_n_sigma(const std::vector<Candidate>& c, double n) {
  double max = -1e300, mean = 0, square = 0, count = 0;
  for (const Candidate& x : c)
    if (std::isfinite(x.logit)) max = std::max(max, double(x.logit)), mean += x.logit, ++count;
  mean /= count;
  for (const Candidate& x : c)
    if (std::isfinite(x.logit)) square += std::pow(x.logit - mean, 2);
  std::vector<Candidate> kept;
  for (const Candidate& x : c)
    if (x.logit >= max - n * std::sqrt(square / count)) kept.push_back(x);
  return kept;
}

inline std::vector<Candidate> naive_typical(const std::vector<Candidate>& given, double typical) {
  const std::vector<Candidate> c = [&] {
    std::vector<Candidate> sorted = given;
    std::sort(sorted.begin(), sorted.end(), ranks_before);
    return sorted;
  }();
  const std::vector<double> p = softmax(c);
  const double h = entropy(p);
  std::vector<size_t> order;
  for (size_t i = 0; i < c.size(); ++i) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::abs(-std::log(p[a]) - h) < std::abs(-std::log(p[b]) - h); });
  double sum = 0;
  std::vector<Candidate> kept;
  for (size_t i : order) {
    kept.push_back(c[i]);
    if ((sum += p[i]) > typical) break;
  }
  std::sort(kept.begin(), kept.end(), ranks_before);
  return kept;
}

// Every prefix's own distribution anew.
inline std::vector<Candidate> naive_top_h(std::vector<Candidate> c, double alpha) {
  std::sort(c.begin(), c.end(), ranks_before);
  const double bound = alpha * entropy(softmax(c));
  size_t longest = 1;
  for (size_t n = 1; n <= c.size(); ++n)
    if (entropy(softmax({c.begin(), c.begin() + n})) <= bound) longest = n;
  c.resize(longest);
  return c;
}

inline std::vector<Candidate> naive_xtc(const std::vector<Candidate>& c, double threshold) {
  const std::vector<double> p = softmax(c);
  std::vector<Candidate> top, kept;
  for (size_t i = 0; i < c.size(); ++i)
    if (p[i] >= threshold) top.push_back(c[i]);
  std::sort(top.begin(), top.end(), ranks_before);
  for (size_t i = 0; i < c.size(); ++i)
    if (p[i] < threshold || c[i].token == top.back().token) kept.push_back(c[i]);
  return kept;
}

inline void check_same(std::span<const Candidate> got, const std::vector<Candidate>& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    REQUIRE(got[i].token == expected[i].token);
    REQUIRE(got[i].logit == expected[i].logit);
  }
}

inline Sampler make_sampler(uint32_t n_vocab, Accountant& accountant, uint32_t n_ctx = 64) {
  auto sampler = Sampler::create(n_vocab, n_ctx, accountant);
  REQUIRE(sampler.ok());
  return std::move(*sampler);
}

// Tokens drawn from smooth logits at the first 16 positions, as in the middle of an answer.
inline std::vector<int32_t> first_draws(SamplingOptions options, SamplingState* state = nullptr) {
  Accountant accountant(0);
  Sampler sampler = make_sampler(500, accountant);
  std::vector<int32_t> history = {1, 2, 3, 4, 5, 6, 7, 8}, drawn;
  options.seed = 42;
  for (uint64_t i = 0; i < 16; ++i)
    drawn.push_back(sampler.pick(options, smooth_logits(500, 100 + i), history, i, state));
  return drawn;
}

// A chain that lets everything through: each test adds what it looks at.
inline SamplingOptions nothing_filtered() {
  SamplingOptions options;
  options.temp = 1, options.top_k = 0, options.top_p = 1, options.min_p = 0;
  return options;
}

}  // namespace sluice::test
