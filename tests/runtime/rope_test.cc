// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/rope.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "support/catch.h"

namespace sluice {

namespace {

// The larger of both errors against libm in long double.
double error_at(double angle) {
  const CosSin v = exact_cos_sin(angle);
  return std::max(double(std::abs(v.cos - std::cos((long double)angle))),
                  double(std::abs(v.sin - std::sin((long double)angle))));
}

}  // namespace

TEST_CASE("cosines and sines are within 1e-15 of libm in long double up to the largest angle", "[runtime][rope]") {
  for (double angle : {0.0, 1e-300, 1e-9, 0.5, 0.785398163, 0.7853981634, 1.5707963, 3.14159265358979, 6.2831853,
                       100.25, 4095.0, 131071.0, 1048575.5, 1e7, 1e8, kMaxAngle}) {
    CAPTURE(angle);
    CHECK(error_at(angle) < 1e-15);
  }
  std::mt19937 rng(1);
  for (int bits = 0; bits <= 30; ++bits) {  // angles of every size
    double worst = 0;
    for (int i = 0; i < 5000; ++i) worst = std::max(worst, error_at(std::ldexp(0.5 + rng() * 0x1p-33, bits)));
    CAPTURE(bits);
    CHECK(worst < 1e-15);
  }
}

TEST_CASE("angles next to a multiple of a quarter turn keep their digits", "[runtime][rope]") {
  const double quarter = 1.57079632679489661923;
  for (int64_t n : {1ll, 2ll, 1023ll, (1ll << 20) - 1, 1ll << 20, (1ll << 20) + 1, 12345678ll, 683565275ll}) {
    double angle = double(n) * quarter;
    for (int i = 0; i < 8; ++i) angle = std::nextafter(angle, 0.0);
    for (int i = 0; i < 16 && angle <= kMaxAngle; ++i, angle = std::nextafter(angle, 2 * kMaxAngle)) {
      CAPTURE(n, i);
      CHECK(error_at(angle) < 1e-15);
    }
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
