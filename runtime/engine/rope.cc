// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/rope.h"

namespace sluice {
namespace {

// pi/2 in three parts (the published ones of fdlibm): two of 33 bits, whose product with an integer of up to 20
// significant bits is exact, and the rest.
constexpr double kPiHalf1 = 1.57079632673412561417e+00;
constexpr double kPiHalf2 = 6.07710050630396597660e-11;
constexpr double kPiHalf3 = 2.02226624879595063154e-21;
constexpr double kTwoOverPi = 6.36619772367581382433e-01;

// Taylor series on |r| <= pi/4: the first terms left out are 2e-18 (r^19 / 19!) and 2e-18 (r^18 / 18!).
double sin_series(double r) {
  const double z = r * r;
  double p = 1.0 / 355687428096000.0;  // 1/17!
  p = p * z - 1.0 / 1307674368000.0;   // 1/15!
  p = p * z + 1.0 / 6227020800.0;
  p = p * z - 1.0 / 39916800.0;
  p = p * z + 1.0 / 362880.0;
  p = p * z - 1.0 / 5040.0;
  p = p * z + 1.0 / 120.0;
  p = p * z - 1.0 / 6.0;
  return r + r * z * p;
}

double cos_series(double r) {
  const double z = r * r;
  double p = 1.0 / 20922789888000.0;  // 1/16!
  p = p * z - 1.0 / 87178291200.0;    // 1/14!
  p = p * z + 1.0 / 479001600.0;
  p = p * z - 1.0 / 3628800.0;
  p = p * z + 1.0 / 40320.0;
  p = p * z - 1.0 / 720.0;
  p = p * z + 1.0 / 24.0;
  p = p * z - 0.5;
  return 1.0 + z * p;
}

}  // namespace

CosSin exact_cos_sin(double angle) {
  const int64_t n = int64_t(angle * kTwoOverPi + 0.5);
  const double low = double(n & 0xfffff), high = double(n) - low;  // 20 bits each up to kMaxAngle and far beyond
  double r = (angle - high * kPiHalf1) - low * kPiHalf1;           // exact
  r = (r - high * kPiHalf2) - low * kPiHalf2;                      // rounds once, below 2^-53
  r = r - double(n) * kPiHalf3;
  const double c = cos_series(r), s = sin_series(r);
  switch (n & 3) {
    case 0:
      return {c, s};
    case 1:
      return {-s, c};
    case 2:
      return {-c, -s};
    default:
      return {s, -c};
  }
}

void rope_row(uint32_t pos, std::span<const double> inv_freq, float magnitude, float* cos, float* sin) {
  for (size_t j = 0; j < inv_freq.size(); ++j) {
    const CosSin v = exact_cos_sin(double(pos) * inv_freq[j]);
    cos[j] = float(v.cos) * magnitude;
    sin[j] = float(v.sin) * magnitude;
  }
}

}  // namespace sluice
