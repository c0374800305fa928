// SPDX-License-Identifier: Apache-2.0
#include <numeric>

#include "runtime/sampling/exact_exp.h"
#include "runtime/sampling/exact_log.h"
#include "sampling_oracles.h"

namespace sluice::test {

TEST_CASE("the exact exponential is within two units of libm's", "[runtime][sampling]") {
  for (double x = -699.5; x < 0; x += 0.137) {
    const double expected = std::exp(x);
    REQUIRE(std::abs(exact_exp(x) - expected) <= 2 * std::numeric_limits<double>::epsilon() * expected);
  }
  CHECK(exact_exp(0) == 1);
  CHECK(exact_exp(-1e9) == 0);
  CHECK(exact_exp(-INFINITY) == 0);
  CHECK(exact_exp(NAN) == 0);
}

TEST_CASE("the exact logarithm is within two units of libm's", "[runtime][sampling]") {
  const auto check = [](double x) {
    const double expected = std::log(x);
    CAPTURE(x);
    REQUIRE(std::abs(exact_log(x) - expected) <= 2 * std::numeric_limits<double>::epsilon() * std::abs(expected));
  };
  for (double x = 1e-6; x < 40; x += 0.000937) check(x);
  for (double x = 1e-300; x < 1e300; x *= 1.37) check(x);
  for (double near = 1e-15; near < 0.1; near *= 1.7) check(1 + near), check(1 - near);
  check(std::numeric_limits<double>::denorm_min());
  check(std::numeric_limits<double>::max());
  CHECK(exact_log(1) == 0);
  CHECK(exact_log(0) == -INFINITY);
  CHECK(exact_log(-1) == -INFINITY);
  CHECK(exact_log(NAN) == -INFINITY);
  CHECK(exact_log(INFINITY) == INFINITY);
}

TEST_CASE("draws depend on seed and counter only and fill the unit interval evenly", "[runtime][sampling]") {
  CHECK(uniform_draw(1, 2) == uniform_draw(1, 2));
  CHECK(uniform_draw(1, 2) != uniform_draw(2, 1));
  CHECK(uniform_draw(7, 0) != uniform_draw(8, 0));
  int buckets[16] = {};
  for (uint64_t i = 0; i < 16000; ++i) {
    const double u = uniform_draw(42, i);
    REQUIRE(u >= 0);
    REQUIRE(u < 1);
    ++buckets[int(u * 16)];
  }
  for (int n : buckets) CHECK(std::abs(n - 1000) < 200);  // six standard deviations
}

TEST_CASE("the first draws of a seed never change", "[runtime][sampling][golden]") {
  CHECK(mix64(1) == 0x5692161d100b05e5u);
  CHECK(uniform_draw(0, 0) == 0.6524484863740322);
  CHECK(uniform_draw(42, 7) == 0.7347204584623639);
  CHECK(xtc_draw(42, 7) == 0.64701625923875228);
}

TEST_CASE("top-k keeps the k best, the lowest ids among equals", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> logits = test_logits(200, seed);
    const std::vector<Candidate> ranked = all_ranked(logits);
    for (size_t k : {1u, 2u, 7u, 40u, 199u, 200u, 500u}) {
      std::vector<Candidate> out(200);
      check_same(take_top_k(logits, k, out), {ranked.begin(), ranked.begin() + std::min<size_t>(k, 200)});
    }
  }
}

TEST_CASE("top-k without a limit keeps everything in order of id, and NaN ranks last", "[runtime][sampling]") {
  const std::vector<float> logits = {1, NAN, 3, -kInf};
  std::vector<Candidate> out(4);
  const auto all = take_top_k(logits, 0, out);
  REQUIRE(all.size() == 4);
  CHECK(all[1].logit == -kInf);
  const auto two = take_top_k(logits, 2, out);
  CHECK(two[0].token == 2);
  CHECK(two[1].token == 0);
}

TEST_CASE("top-p keeps the shortest prefix that reaches the probability", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (double p : {0.0, 0.1, 0.5, 0.9, 0.95, 0.999}) {
      const std::vector<float> logits = test_logits(150, seed, 9);
      std::vector<Candidate> unordered;
      for (size_t i = 0; i < logits.size(); ++i) unordered.push_back({logits[i], int32_t(i)});
      const std::vector<Candidate> expected = naive_top_p(unordered, p);
      check_same(keep_top_p(unordered, p), expected);
    }
}

TEST_CASE("min-p keeps what is probable enough beside the best", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (double p : {0.01, 0.05, 0.3, 1.0}) {
      const std::vector<float> logits = test_logits(150, seed, 1000);
      std::vector<Candidate> c = all_ranked(logits);
      const std::vector<Candidate> expected = naive_min_p(c, p);
      check_same(keep_min_p(c, p), expected);
    }
}

TEST_CASE("top-k among candidates keeps the k best in order, or everything as it is", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<Candidate> ranked = all_ranked(test_logits(120, seed));
    for (size_t k : {1u, 7u, 119u, 120u, 500u}) {
      std::vector<Candidate> c = in_order_of_id(test_logits(120, seed));
      check_same(keep_top_k(c, k), {ranked.begin(), ranked.begin() + std::min<size_t>(k, 120)});
    }
    std::vector<Candidate> c = in_order_of_id(test_logits(120, seed));
    check_same(keep_top_k(c, 0), in_order_of_id(test_logits(120, seed)));
  }
}

TEST_CASE("top-n-sigma drops what lies n deviations below the best", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 20; ++seed)
    for (double n : {0.1, 0.5, 1.0, 1.7, 3.0}) {
      std::vector<float> logits = test_logits(150, seed, 1000);
      logits[seed] = -kInf;  // counts neither for the mean nor for the deviation
      std::vector<Candidate> c = in_order_of_id(logits);
      const std::vector<Candidate> expected = naive_top_n_sigma(c, n);
      REQUIRE(expected.size() < 150);
      check_same(keep_top_n_sigma(c, n), expected);
    }
}

TEST_CASE("XTC leaves of the top choices only the least likely", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 40; ++seed)
    for (double threshold : {0.001, 0.01, 0.05, 0.1, 0.3, 0.5}) {
      for (int distinct : {9, 1000}) {
        std::vector<Candidate> c = in_order_of_id(test_logits(150, seed, distinct));
        const std::vector<Candidate> expected = naive_xtc(c, threshold);
        check_same(exclude_top_choices(c, threshold), expected);
      }
    }
  std::vector<Candidate> ties = {{2, 5}, {2, 3}, {0, 9}, {2, 4}};
  check_same(exclude_top_choices(ties, 0.1), {{2, 5}, {0, 9}});  // rank decides among equals
}

TEST_CASE("filters never leave nothing", "[runtime][sampling]") {
  std::vector<Candidate> c = {{1, 0}, {1, 1}};
  CHECK(keep_min_p(c, 2.0).size() == 1);
  CHECK(keep_top_n_sigma(c, 1.0).size() == 2);
  for (double threshold : {0.0, 0.5, 1.0, double(NAN)}) {
    c = {{1, 0}, {1, 1}};
    CHECK(exclude_top_choices(c, threshold).size() >= 1);
  }
  for (const std::vector<Candidate>& odd :
       {std::vector<Candidate>{{-kInf, 0}, {-kInf, 1}}, {{kInf, 0}, {1, 1}}, {{3, 7}}}) {
    for (double n : {0.0, 1.0, double(NAN)}) {
      c = odd;
      CHECK(keep_top_n_sigma(c, n).size() >= 1);
      c = odd;
      CHECK(keep_top_p(c, n).size() >= 1);
      c = odd;
      CHECK(exclude_top_choices(c, n).size() >= 1);
    }
  }
  c = {{-kInf, 0}, {-kInf, 1}};
  CHECK(keep_top_p(c, 0.5).size() == 1);
  CHECK(draw(c, 1.0, 0.9) == 1);
}

TEST_CASE("penalties act once per distinct token, by sign and by count", "[runtime][sampling]") {
  std::vector<float> logits = {2, -2, 2, -2, 5};
  const std::vector<int32_t> recent = {0, 1, 0, 9999, -1, 1, 1};
  std::vector<int32_t> scratch(recent.size());
  apply_penalties({2.0f, 0.5f, 0.25f}, recent, scratch, logits);
  CHECK(logits == std::vector<float>{2 / 2.0f - (2 * 0.25f + 0.5f), -2 * 2.0f - (3 * 0.25f + 0.5f), 2, -2, 5});
}

TEST_CASE("a draw picks the first candidate at which the running sum reaches the number", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const std::vector<Candidate> c = all_ranked(test_logits(50, seed, 1000));
    for (double temp : {0.3, 1.0, 2.5}) {
      const std::vector<double> p = softmax(c, temp);
      const double u = uniform_draw(seed, 77);
      double sum = 0;
      size_t n = 0;
      while (n < c.size() && (sum += p[n]) < u) ++n;
      if (std::abs(sum - u) < 1e-12) continue;  // on the border libm decides
      REQUIRE(draw(c, temp, u) == c[n].token);
    }
  }
}

TEST_CASE("draws follow the softmax at the temperature", "[runtime][sampling]") {
  const std::vector<float> logits = {0, 1, 2, -1};
  Accountant accountant(0);
  Sampler sampler = make_sampler(4, accountant);
  SamplingOptions options;
  options.temp = 0.7f, options.top_k = 0, options.top_p = 1, options.min_p = 0;
  int count[4] = {};
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) ++count[sampler.pick(options, logits, {}, uint64_t(i))];
  const std::vector<double> p = softmax({{0, 0}, {1, 1}, {2, 2}, {-1, 3}}, 0.7f);
  for (int t = 0; t < 4; ++t) CHECK(double(count[t]) / kDraws == Approx(p[t]).margin(0.015));
}

TEST_CASE("greedy takes the lowest id among equals and ignores NaN", "[runtime][sampling]") {
  CHECK(argmax(std::vector<float>{1, 3, 3, 2}) == 1);
  CHECK(argmax(std::vector<float>{NAN, NAN, -5}) == 2);
  CHECK(argmax(std::vector<float>{NAN, -kInf}) == 0);
}

TEST_CASE("bias and penalties change the pick but not the caller's logits", "[runtime][sampling]") {
  const std::vector<float> logits = {1, 2, 3, 4};
  Accountant accountant(0);
  Sampler sampler = make_sampler(4, accountant);
  SamplingOptions greedy;
  greedy.temp = 0;
  CHECK(sampler.pick(greedy, logits, {}, 0) == 3);
  const TokenBias bias[] = {{0, 100}, {77, 5}, {-3, 5}};
  greedy.bias = bias;
  CHECK(sampler.pick(greedy, logits, {}, 0) == 0);
  greedy.bias = {};
  greedy.penalties.presence = 10;
  const int32_t history[] = {3, 2, 1};
  CHECK(sampler.pick(greedy, logits, history, 3) == 0);
  greedy.penalty_last_n = 1;
  CHECK(sampler.pick(greedy, logits, history, 3) == 3);
  greedy.penalty_last_n = 0;
  CHECK(sampler.pick(greedy, logits, history, 3) == 3);
  greedy.penalty_last_n = -1;
  CHECK(sampler.pick(greedy, logits, history, 3) == 0);
}

TEST_CASE("log-probabilities sum to one", "[runtime][sampling]") {
  const std::vector<float> logits = test_logits(1000, 3, 500);
  const LogProbs probs = log_probs(logits);
  double sum = 0;
  for (float l : logits) sum += std::exp(probs.of(l));
  CHECK(sum == Approx(1.0).epsilon(1e-12));
}

}  // namespace sluice::test
