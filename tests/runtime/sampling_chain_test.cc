// SPDX-License-Identifier: Apache-2.0
// The filters together: their order, and that what is off changes nothing.
#include "sampling_oracles.h"

namespace sluice::test {
namespace {

// The chain as documented, each step by its slow definition.
int32_t naive_pick(const SamplingOptions& o, const std::vector<float>& logits, uint64_t counter) {
  std::vector<Candidate> c = in_order_of_id(logits);
  if (o.top_n_sigma > 0) c = naive_top_n_sigma(c, o.top_n_sigma);
  if (o.top_k > 0) {
    std::sort(c.begin(), c.end(), ranks_before);
    c.resize(std::min(c.size(), size_t(o.top_k)));
  }
  if (o.typical < 1) c = naive_typical(c, o.typical);
  if (o.top_h > 0 && o.top_h < 1) c = naive_top_h(c, o.top_h);
  if (o.top_p < 1) c = naive_top_p(c, o.top_p);
  if (o.min_p > 0) c = naive_min_p(c, o.min_p);
  if (o.xtc.active() && xtc_draw(o.seed, counter) < o.xtc.probability) c = naive_xtc(c, o.xtc.threshold);
  double temp = o.temp;
  if (o.dynamic_temp.range > 0 && c.size() > 1) {
    const double low = std::max(0.0, temp - o.dynamic_temp.range), high = temp + o.dynamic_temp.range;
    temp = low + (high - low) * std::pow(entropy(softmax(c)) / std::log(double(c.size())), o.dynamic_temp.exponent);
  }
  const std::vector<double> p = softmax(c, temp);
  const double u = uniform_draw(o.seed, counter);
  double sum = 0;
  size_t n = 0;
  while (n + 1 < c.size() && (sum += p[n]) < u) ++n;
  return c[n].token;
}

}  // namespace

TEST_CASE("the whole chain equals its parts in order", "[runtime][sampling]") {
  Accountant accountant(0);
  Sampler sampler = make_sampler(300, accountant);
  for (uint64_t seed = 0; seed < 400; ++seed) {
    // Every filter on and off in all combinations, tight enough to bite.
    SamplingOptions o = nothing_filtered();
    const auto on = [&](int bit) { return (seed * 2654435761u >> (8 + bit)) % 2 == 1; };
    o.seed = seed, o.temp = 0.9f;
    if (on(0)) o.top_n_sigma = 1.3f;
    if (on(1)) o.top_k = 30;
    if (on(2)) o.typical = 0.8f;
    if (on(3)) o.top_h = 0.9f;
    if (on(4)) o.top_p = 0.8f;
    if (on(5)) o.min_p = 0.1f;
    if (on(6)) o.xtc = {0.5f, 0.08f};
    if (on(7)) o.dynamic_temp = {0.5f, 1.5f};
    const std::vector<float> logits = smooth_logits(300, seed);
    CAPTURE(seed);
    REQUIRE(sampler.pick(o, logits, {}, 5) == naive_pick(o, logits, 5));
  }
}

TEST_CASE("XTC acts as often as asked and leaves the draw's own number alone", "[runtime][sampling]") {
  Accountant accountant(0);
  Sampler sampler = make_sampler(4, accountant);
  SamplingOptions o = nothing_filtered();
  const std::vector<float> logits = {10, 9.9f, -20, -20};  // 0 and 1 are top choices: XTC leaves 1
  o.xtc = {1, 0.1f};
  for (uint64_t i = 0; i < 50; ++i) REQUIRE(sampler.pick(o, logits, {}, i) == 1);
  o.xtc = {0.3f, 0.1f};
  int changed = 0;
  SamplingOptions plain = nothing_filtered();
  constexpr int kDraws = 20000;
  for (uint64_t i = 0; i < kDraws; ++i) {
    const int32_t with = sampler.pick(o, logits, {}, i), without = sampler.pick(plain, logits, {}, i);
    if (xtc_draw(0, i) >= 0.3f) REQUIRE(with == without);
    changed += with != without;
  }
  CHECK(changed / double(kDraws) == Approx(0.3 * 0.525).margin(0.015));  // the two streams are independent
  o.xtc = {1, 0.51f};
  for (uint64_t i = 0; i < 50; ++i) REQUIRE(sampler.pick(o, logits, {}, i) == sampler.pick(plain, logits, {}, i));
}

TEST_CASE("XTC spares the top choice of a greedy pick", "[runtime][sampling]") {
  Accountant accountant(0);
  Sampler sampler = make_sampler(4, accountant);
  SamplingOptions o = nothing_filtered();
  o.temp = 0, o.xtc = {1, 0.01f};
  CHECK(sampler.pick(o, std::vector<float>{1, 4, 3.9f, 0}, {}, 0) == 1);
}

TEST_CASE("odd logits have a draw with every filter at once", "[runtime][sampling]") {
  Accountant accountant(0);
  const std::vector<float> odd[] = {{NAN, NAN, NAN},     {-kInf, -kInf, -kInf}, {kInf, 1, NAN},
                                    {kInf, kInf, -kInf}, {3e38f, -3e38f, 0},    {5}};
  for (const std::vector<float>& logits : odd) {
    Sampler sampler = make_sampler(uint32_t(logits.size()), accountant);
    for (int32_t mirostat : {0, 1, 2})
      for (float value : {-1.0f, 0.0f, 0.3f, 1.0f, float(NAN)}) {
        SamplingOptions o;
        o.typical = o.top_h = o.top_n_sigma = o.top_p = o.min_p = value;
        o.xtc = {1, value}, o.dynamic_temp = {value, value}, o.dry = {value, value, 1, -1};
        o.mirostat = {mirostat, value, value};
        const std::vector<int32_t> history = {0, 0, 0, 0};
        SamplingState state;
        for (uint64_t i = 0; i < 4; ++i) {
          const int32_t token = sampler.pick(o, logits, history, i, &state);
          REQUIRE((token >= 0 && size_t(token) < logits.size()));
        }
      }
  }
  Sampler sampler = make_sampler(3, accountant);
  SamplingOptions o;
  o.typical = 0.5f, o.top_h = 0.5f, o.top_n_sigma = 1, o.xtc = {1, 0.1f};
  CHECK(sampler.pick(o, std::vector<float>{1, kInf, NAN}, {}, 0) == 1);
  CHECK(sampler.pick(o, std::vector<float>{NAN, -kInf, -50}, {}, 0) == 2);
}

TEST_CASE("draws of the first chain never change", "[runtime][sampling][golden]") {
  // Taken before there were any filters but top-k, top-p and min-p.
  CHECK(first_draws({}) ==
        std::vector<int32_t>{463, 361, 5, 324, 204, 398, 264, 483, 315, 15, 53, 389, 138, 325, 405, 351});
  SamplingOptions o;
  o.top_k = 0, o.top_p = 0.9f, o.min_p = 0, o.temp = 1.5f;
  CHECK(first_draws(o) ==
        std::vector<int32_t>{499, 467, 249, 308, 245, 364, 319, 140, 119, 45, 340, 352, 326, 412, 329, 63});
  o.penalties = {1.3f, 0.5f, 0}, o.top_p = 1, o.temp = 3;
  CHECK(first_draws(o) ==
        std::vector<int32_t>{168, 473, 255, 26, 343, 26, 94, 381, 53, 337, 326, 93, 113, 140, 443, 404});
}

TEST_CASE("draws with top-n-sigma, with XTC and with everything never change", "[runtime][sampling][golden]") {
  SamplingOptions o = nothing_filtered();
  o.temp = 3, o.top_n_sigma = 0.4f;
  CHECK(first_draws(o) ==
        std::vector<int32_t>{143, 473, 256, 37, 351, 21, 93, 382, 40, 288, 316, 93, 100, 112, 437, 412});
  o.temp = 1, o.top_n_sigma = 0, o.xtc = {0.5f, 0.02f};
  CHECK(first_draws(o) ==
        std::vector<int32_t>{143, 473, 255, 37, 352, 21, 81, 382, 42, 320, 310, 88, 112, 144, 442, 404});
  o = {};
  o.temp = 1.2f, o.top_n_sigma = 1.5f, o.typical = 0.95f, o.top_h = 0.95f, o.xtc = {0.5f, 0.05f};
  o.dynamic_temp = {0.5f, 1}, o.dry.multiplier = 1;
  CHECK(first_draws(o) ==
        std::vector<int32_t>{463, 473, 175, 324, 284, 398, 80, 65, 119, 131, 146, 387, 138, 476, 248, 460});
}

}  // namespace sluice::test
