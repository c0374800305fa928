// SPDX-License-Identifier: Apache-2.0
#include "agreement.h"

#include <cmath>

#include "support/catch.h"

namespace sluice {

TEST_CASE("equal predictions have no divergence and always hit", "[apps]") {
  const float logits[] = {0.f, 1.f, 3.f, -2.f};
  Agreement a;
  a.add(top_list(logits, 4, 4), logits, 4);
  a.add(top_list(logits, 4, 2), logits, 4);
  CHECK(a.positions == 2);
  CHECK(a.top1() == 1);
  CHECK(std::fabs(a.kl_mean()) < 1e-8);
}

TEST_CASE("divergence is that of the listed tokens and one bucket for the rest", "[apps]") {
  // Reference: 1/2, 1/4 and 1/4 for all others; prediction: 1/4 each.
  const TopList reference = {{2, std::log(0.5)}, {0, std::log(0.25)}};
  const float logits[] = {0.f, 0.f, 0.f, 0.f};
  const double expected = 0.5 * std::log(0.5 / 0.25) + 0 + 0.25 * std::log(0.25 / 0.5);
  CHECK(std::fabs(divergence(reference, logits, 4) - expected) < 1e-12);
  Agreement a;
  a.add(reference, logits, 4);
  CHECK(a.hits == 0);  // the lowest index wins among equals
}

TEST_CASE("a token the prediction rules out costs no more than the least bucket allows", "[apps]") {
  const TopList reference = {{0, 0.0}};
  const float logits[] = {-1000.f, 0.f};
  CHECK(std::fabs(divergence(reference, logits, 2) - std::log(1e9)) < 1e-3);
}

TEST_CASE("a top list is ordered by probability, then by index", "[apps]") {
  const float logits[] = {1.f, 2.f, 2.f, 0.f};
  const TopList list = top_list(logits, 4, 3);
  REQUIRE(list.size() == 3);
  CHECK(list[0].first == 1);
  CHECK(list[1].first == 2);
  CHECK(list[2].first == 0);
  CHECK(std::fabs(log_sum_exp(logits, 4) - std::log(std::exp(1.) + 2 * std::exp(2.) + 1)) < 1e-12);
}

TEST_CASE("sums of agreements keep mean and maximum", "[apps]") {
  Agreement a, b, none;
  a.positions = 1, a.hits = 1, a.kl_sum = 0.5, a.kl_max = 0.5;
  b.positions = 3, b.hits = 1, b.kl_sum = 0.3, b.kl_max = 0.2;
  a.add(b);
  a.add(none);
  none.add(b);
  CHECK(a.positions == 4);
  CHECK(a.top1() == 0.5);
  CHECK(std::fabs(a.kl_mean() - 0.2) < 1e-12);
  CHECK(a.kl_max == 0.5);
  CHECK(none.kl_max == 0.2);
}

}  // namespace sluice
