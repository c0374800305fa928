// SPDX-License-Identifier: Apache-2.0
#include "sampling_oracles.h"

namespace sluice::test {
namespace {

std::vector<Candidate> naive_unsurprising(const std::vector<Candidate>& c, double temp, double mu) {
  const std::vector<double> p = softmax(c, temp);
  std::vector<Candidate> kept;
  for (size_t i = 0; i < c.size(); ++i)
    if (-std::log2(p[i]) <= mu) kept.push_back(c[i]);
  if (kept.empty()) kept.push_back(*std::min_element(c.begin(), c.end(), ranks_before));
  return kept;
}

// The paper's k, before rounding.
double naive_count(std::vector<Candidate> c, double temp, double mu) {
  std::sort(c.begin(), c.end(), ranks_before);
  const std::vector<double> p = softmax(c, temp);
  double products = 0, squares = 0;
  for (size_t i = 0; i + 1 < std::min<size_t>(c.size(), 100); ++i) {
    const double t = std::log(double(i + 2) / double(i + 1)), b = std::log(p[i] / p[i + 1]);
    products += t * b, squares += t * t;
  }
  const double s = products / squares, e = s - 1;
  return std::pow(e * std::pow(2, mu) / (1 - std::pow(double(c.size()), -e)), 1 / s);
}

}  // namespace

TEST_CASE("mirostat 2 keeps what surprises at most by mu", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 30; ++seed)
    for (double temp : {0.5, 1.0, 2.0})
      for (double mu : {-1.0, 0.0, 0.5, 3.03, 6.07, 10.01, 40.0}) {
        std::vector<Candidate> c = in_order_of_id(test_logits(200, seed, seed % 2 ? 9 : 1000));
        const std::vector<Candidate> expected = naive_unsurprising(c, temp, mu);
        check_same(keep_unsurprising(c, temp, mu), expected);
      }
}

TEST_CASE("mirostat 1 estimates how many candidates lie within mu", "[runtime][sampling]") {
  size_t compared = 0, inside = 0;
  for (uint64_t seed = 0; seed < 30; ++seed)
    for (double temp : {0.1, 0.3, 1.0, 2.0})
      for (double mu : {0.5, 3.0, 6.0, 10.0}) {
        const std::vector<Candidate> c = all_ranked(smooth_logits(400, seed));
        const double k = naive_count(c, temp, mu);
        if (k > 0.5 && k < 400.5 && std::abs(k - std::round(k)) < 1e-9) continue;  // rounding decides
        const size_t expected = size_t(std::clamp(std::floor(k), 1.0, 400.0));
        REQUIRE(mirostat_count(std::span(c).first(100), temp, mu, 400) == expected);
        ++compared, inside += expected > 1 && expected < 400;
      }
  CHECK(compared > 400);
  CHECK(inside > 100);
}

TEST_CASE("mirostat 1 has an answer for every distribution", "[runtime][sampling]") {
  const auto count = [](const std::vector<float>& logits, double mu) {
    const std::vector<Candidate> c = all_ranked(logits);
    return mirostat_count(std::span(c).first(std::min<size_t>(c.size(), kMirostatSample)), 1, mu, c.size());
  };
  CHECK(count(std::vector<float>(50, 1.0f), 20) == 50);  // flat: the exponent of the law is 0
  CHECK(count(std::vector<float>(50, 1.0f), 2) == 1);
  CHECK(count({1}, 10) == 1);
  CHECK(count({-kInf, -kInf, -kInf}, 10) == 1);
  CHECK(count({kInf, 0, 0}, 10) == 1);
  CHECK(count({0, -3e38f, -kInf}, 10) == 1);
  CHECK(count({0, -1, -2}, NAN) == 1);
  CHECK(count({0, -1, -2}, 1e30) == 3);
  std::vector<float> zipf;  // s = 1, where the formula is 0 / 0: k = 2^mu / ln N
  for (int i = 1; i <= 80; ++i) zipf.push_back(float(-std::log(double(i))));
  CHECK(count(zipf, 5) == size_t(32 / std::log(80.0)));
}

TEST_CASE("mu moves by the rate times what the surprise misses", "[runtime][sampling]") {
  const std::vector<Candidate> c = in_order_of_id(smooth_logits(40, 3));
  const std::vector<double> p = softmax(c, 0.7);
  Mirostat mirostat;
  mirostat.target = 3, mirostat.rate = 0.25f;
  for (size_t drawn = 0; drawn < c.size(); ++drawn) {
    const double expected = 5.5 - 0.25 * (-std::log2(p[drawn]) - 3);
    CHECK(mirostat_update(c, 0.7, drawn, mirostat, 5.5f) == Approx(expected).epsilon(1e-6));
  }
  mirostat.target = 0, mirostat.rate = 1;
  const std::vector<Candidate> one = {{2, 3}};
  CHECK(mirostat_update(one, 1, 0, mirostat, 0.0f) > 0);  // 0 would mean the beginning
  CHECK(mirostat_update(one, 1, 0, mirostat, 0.0f) < 1e-30f);
}

TEST_CASE("mirostat brings the surprise of a text to its target", "[runtime][sampling]") {
  Accountant accountant(0);
  Sampler sampler = make_sampler(400, accountant);
  for (int32_t version : {1, 2})
    for (float target : {1.5f, 3.0f}) {
      SamplingOptions options = nothing_filtered();
      options.mirostat.version = version, options.mirostat.target = target;
      SamplingState state;
      double surprise = 0;
      constexpr int kDraws = 4000;
      for (uint64_t i = 0; i < kDraws; ++i) {
        const std::vector<float> logits = smooth_logits(400, 100 + i);
        const float before = state.mu == 0 ? options.mirostat.start() : state.mu;
        sampler.pick(options, logits, {}, i, &state);
        surprise += target - double(state.mu - before) / options.mirostat.rate;
      }
      CHECK(surprise / kDraws == Approx(target).margin(0.1));
    }
}

TEST_CASE("mirostat replaces penalties, DRY and filters, but not bias and temperature", "[runtime][sampling]") {
  SamplingOptions options = nothing_filtered();
  options.mirostat.version = 2;
  SamplingState state;
  const std::vector<int32_t> plain = first_draws(options, &state);
  options.top_k = 1, options.top_p = 0.1f, options.min_p = 0.9f, options.typical = 0.1f, options.top_h = 0.1f;
  options.top_n_sigma = 0.1f, options.xtc = {1, 0.01f}, options.penalties.presence = 50, options.dry.multiplier = 50;
  options.dynamic_temp.range = 1;
  state = {};
  CHECK(first_draws(options, &state) == plain);
  const TokenBias bias[] = {{77, 100}};
  options.bias = bias;
  state = {};
  CHECK(first_draws(options, &state) == std::vector<int32_t>(16, 77));
  options.bias = {}, options.temp = 3;
  state = {};
  CHECK(first_draws(options, &state) != plain);
}

TEST_CASE("draws with mirostat never change", "[runtime][sampling][golden]") {
  SamplingOptions options = nothing_filtered();
  options.mirostat.target = 3;
  options.mirostat.version = 1;
  SamplingState state;
  CHECK(first_draws(options, &state) ==
        std::vector<int32_t>{344, 268, 441, 274, 351, 330, 480, 303, 175, 107, 491, 100, 165, 201, 388, 385});
  CHECK(state.mu == 8.15885925f);
  options.mirostat.version = 2;
  state = {};
  CHECK(first_draws(options, &state) ==
        std::vector<int32_t>{98, 484, 203, 11, 240, 128, 80, 401, 22, 284, 293, 100, 46, 75, 443, 416});
  CHECK(state.mu == 5.31097651f);
}

}  // namespace sluice::test
