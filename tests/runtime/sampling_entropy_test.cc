// SPDX-License-Identifier: Apache-2.0
#include "sampling_oracles.h"

namespace sluice::test {
namespace {

// Where rounding alone decides, libm's and our sums may part: the oracle answers equally a little to both sides.
template <class Naive>
bool decided(Naive naive, const std::vector<Candidate>& c, double value) {
  return naive(c, value * (1 - 1e-12)).size() == naive(c, value * (1 + 1e-12)).size();
}

}  // namespace

TEST_CASE("typical keeps what is nearest to the expected surprise", "[runtime][sampling]") {
  size_t compared = 0;
  for (uint64_t seed = 0; seed < 40; ++seed)
    for (bool ties : {true, false})
      for (double p : {0.0, 0.1, 0.5, 0.9, 0.99}) {
        std::vector<Candidate> c = in_order_of_id(ties ? test_logits(150, seed, 9) : smooth_logits(150, seed));
        if (!decided(naive_typical, c, p)) continue;
        const std::vector<Candidate> expected = naive_typical(c, p);
        check_same(keep_typical(c, p), expected);
        ++compared;
      }
  CHECK(compared > 380);
}

TEST_CASE("typical drops the likeliest token where it says too little", "[runtime][sampling]") {
  // One token of 40 %, sixty of 1 %: H = 3.1, the surprises are 0.9 and 4.6.
  std::vector<float> logits(61, 0.0f);
  logits[0] = std::log(40.0f);
  std::vector<Candidate> c = in_order_of_id(logits);
  const auto kept = keep_typical(c, 0.2);
  CHECK(kept.size() == 21);
  CHECK(kept[0].token == 1);
  CHECK(kept[20].token == 21);
}

TEST_CASE("top-H keeps the longest prefix whose own entropy stays below its share", "[runtime][sampling]") {
  size_t compared = 0;
  for (uint64_t seed = 0; seed < 40; ++seed)
    for (bool ties : {true, false})
      for (double alpha : {0.0, 0.1, 0.4, 0.7, 0.95}) {
        std::vector<Candidate> c = in_order_of_id(ties ? test_logits(100, seed, 9) : smooth_logits(100, seed));
        if (alpha > 0 && !decided(naive_top_h, c, alpha)) continue;
        const std::vector<Candidate> expected = naive_top_h(c, alpha);
        check_same(keep_top_h(c, alpha), expected);
        ++compared;
      }
  CHECK(compared > 380);
}

TEST_CASE("top-H takes the prefix's own entropy, not its share of the whole", "[runtime][sampling]") {
  // Sixteen equal tokens: H = ln 16. Four have ln 4 = 0.5 ln 16, while their share of the sum is only a quarter.
  std::vector<Candidate> c = in_order_of_id(std::vector<float>(16, 1.0f));
  CHECK(keep_top_h(c, 0.501).size() == 4);
  c = in_order_of_id(std::vector<float>(16, 1.0f));
  CHECK(keep_top_h(c, 0.499).size() == 3);
}

TEST_CASE("the dynamic temperature follows the entropy", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 40; ++seed)
    for (double exponent : {0.5, 1.0, 2.0}) {
      const std::vector<Candidate> c = in_order_of_id(test_logits(80, seed, 50));
      const double flat = entropy(softmax(c)) / std::log(80.0);
      const double expected = 0.3 + 1.0 * std::pow(flat, exponent);
      CHECK(dynamic_temperature(c, 0.8, {0.5f, float(exponent)}) == Approx(expected).epsilon(1e-12));
    }
  const std::vector<Candidate> flat = in_order_of_id(std::vector<float>(30, 2.0f));
  CHECK(dynamic_temperature(flat, 0.75, {0.5f, 1}) == Approx(1.25).epsilon(1e-12));
  const std::vector<Candidate> sure = {{0, 3}, {-1000, 4}};
  CHECK(dynamic_temperature(sure, 0.75, {0.5f, 1}) == 0.25);
  CHECK(dynamic_temperature(sure, 0.75, {2, 1}) == 0);  // not below 0
  CHECK(dynamic_temperature(std::span(sure).first(1), 0.75, {0.5f, 1}) == 0.75);
}

TEST_CASE("a dynamic temperature of 0 takes the likeliest", "[runtime][sampling]") {
  Accountant accountant(0);
  Sampler sampler = make_sampler(3, accountant);
  SamplingOptions options = nothing_filtered();
  options.dynamic_temp.range = 2;
  CHECK(sampler.pick(options, std::vector<float>{-1000, 5, -1000}, {}, 0) == 1);
}

TEST_CASE("filters by entropy never leave nothing", "[runtime][sampling]") {
  const std::vector<Candidate> odd[] = {
      {{-kInf, 0}, {-kInf, 1}}, {{kInf, 0}, {1, 1}, {-kInf, 2}}, {{3, 7}}, {{0, 1}, {-kInf, 2}}, {{0, 0}, {-3e38f, 1}}};
  for (const std::vector<Candidate>& given : odd) {
    for (double value : {-1.0, 0.0, 0.5, 1.0, 2.0, double(NAN)}) {
      std::vector<Candidate> c = given;
      CHECK(keep_typical(c, value).size() >= 1);
      c = given;
      CHECK(keep_top_h(c, value).size() >= 1);
      const double temp = dynamic_temperature(given, 1, {0.5f, float(value)});
      CHECK((temp >= 0.5 && temp <= 1.5));
    }
  }
  std::vector<Candidate> sure = {{0, 0}, {-1000, 1}, {-2000, 2}};  // no entropy: what has no probability adds none
  CHECK(keep_top_h(sure, 0.5).size() == 1);
  CHECK(keep_typical({}, 0.5).empty());
  CHECK(keep_top_h({}, 0.5).empty());
}

TEST_CASE("draws with filters by entropy never change", "[runtime][sampling][golden]") {
  SamplingOptions options = nothing_filtered();
  options.temp = 1.5f, options.typical = 0.5f;
  CHECK(first_draws(options) ==
        std::vector<int32_t>{65, 207, 283, 285, 186, 97, 327, 206, 94, 286, 131, 130, 315, 358, 69, 275});
  options.typical = 1, options.top_h = 0.4f;
  CHECK(first_draws(options) ==
        std::vector<int32_t>{386, 460, 121, 274, 172, 330, 480, 130, 175, 245, 332, 137, 46, 288, 433, 270});
  options.top_h = 0, options.dynamic_temp = {0.9f, 1.3f};
  CHECK(first_draws(options) ==
        std::vector<int32_t>{160, 473, 255, 23, 343, 21, 89, 382, 47, 315, 325, 93, 113, 121, 442, 412});
}

}  // namespace sluice::test
