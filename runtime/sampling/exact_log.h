// SPDX-License-Identifier: Apache-2.0
// log for samplers, in double with additions, multiplications and divisions only: the counterpart of exact_exp.h, for
// the same reason.
#pragma once
#include <cstdint>
#include <cstring>
#include <limits>

namespace sluice {

// ln x, within 2 ulp; -infinity for 0, below, and NaN.
inline double exact_log(double x) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
  if (!(x > 0.0)) return -kInfinity;
  if (x == kInfinity) return x;
  int64_t e = 0;
  if (x < 0x1p-1022) x *= 0x1p54, e = -54;
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  e += int64_t(bits >> 52) - 1023;
  bits = (bits & 0xFFFFFFFFFFFFFu) | 0x3FF0000000000000u;
  double m;
  std::memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) m *= 0.5, ++e;

  // With s = f / (2 + f): ln(1 + f) = f - (f²/2 - s (f²/2 + R)), R = 2/3 s² + 2/5 s⁴ + …; s² <= 0.0295 leaves 1e-18.
  const double f = m - 1.0, s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
  double r = 2.0 / 23;
  constexpr double kOdd[] = {2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13,
                             2.0 / 11, 2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};
  for (double c : kOdd) r = r * z + c;
  r = r * z;
  return double(e) * kLn2High - ((half - (s * (half + r) + double(e) * kLn2Low)) - f);
}

}  // namespace sluice
