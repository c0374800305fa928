// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/rope.h"

#include <cmath>
#include <vector>

#include "support/catch.h"

namespace sluice {

TEST_CASE("cosines and sines agree with long double libm over the whole range", "[runtime][rope]") {
  for (double angle : {0.0, 1e-9, 0.5, 0.785398163, 0.7853981634, 1.5707963, 3.14159265358979, 6.2831853, 100.25, 4095.0,
                       131071.0, 1048575.5}) {
    const CosSin v = exact_cos_sin(angle);
    CAPTURE(angle);
    CHECK(std::abs(v.cos - double(std::cos((long double)angle))) < 2e-15);
    CHECK(std::abs(v.sin - double(std::sin((long double)angle))) < 2e-15);
  }
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    const double angle = i * 0.6180339887 + i * 1e-3;
    const CosSin v = exact_cos_sin(angle);
    worst = std::max(worst, std::abs(v.cos - double(std::cos((long double)angle))));
    worst = std::max(worst, std::abs(v.sin - double(std::sin((long double)angle))));
  }
  CHECK(worst < 2e-15);
}

TEST_CASE("angles beyond any context still lie on the unit circle", "[runtime][rope]") {
  for (double angle : {1e7, 1e8, double(kMaxAngle)}) {
    const CosSin v = exact_cos_sin(angle);
    CHECK(v.cos * v.cos + v.sin * v.sin == Approx(1.0).epsilon(1e-6));
  }
}

TEST_CASE("a rope row is position times frequency, times magnitude", "[runtime][rope]") {
  const std::vector<double> inv_freq = {1.0, 0.5, 0.001};
  float cos[3], sin[3];
  rope_row(10, inv_freq, 2.0f, cos, sin);
  for (int j = 0; j < 3; ++j) {
    CHECK(cos[j] == 2.0f * float(std::cos(10 * inv_freq[j])));
    CHECK(sin[j] == 2.0f * float(std::sin(10 * inv_freq[j])));
  }
  rope_row(0, inv_freq, 1.0f, cos, sin);
  CHECK(cos[0] == 1.0f);
  CHECK(sin[2] == 0.0f);
}

}  // namespace sluice
