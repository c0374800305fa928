// SPDX-License-Identifier: Apache-2.0
// exp for samplers, in double with additions and multiplications only, so that a draw is the same on every machine
// (libm's exp differs between systems in the last bit).
#pragma once
#include <cstdint>
#include <cstring>

namespace sluice {

// e^x for x <= 0, within 2 ulp; 0 below -700 (and for NaN).
inline double exact_exp(double x) {
  if (!(x > -700.0)) return 0.0;
  if (x >= 0.0) return 1.0;
  constexpr double kLog2E = 1.4426950408889634;
  constexpr double kLn2High = 6.93147180369123816490e-01, kLn2Low = 1.90821492927058770002e-10;
  const int64_t n = int64_t(x * kLog2E - 0.5);  // nearest: x is negative
  double r = x - double(n) * kLn2High;          // exact: kLn2High has 21 zero bits at its end
  r = r - double(n) * kLn2Low;
  // Taylor up to r^13 / 13!: |r| <= 0.35 leaves 5e-18.
  double p = 1.0 / 6227020800.0;
  constexpr double kInverseFactorial[] = {1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
                                          1.0 / 5040,      1.0 / 720,      1.0 / 120,     1.0 / 24,     1.0 / 6,
                                          0.5,             1.0,            1.0};
  for (double c : kInverseFactorial) p = p * r + c;
  const uint64_t bits = uint64_t(n + 1023) << 52;
  double power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

}  // namespace sluice
