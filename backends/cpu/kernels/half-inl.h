// SPDX-License-Identifier: Apache-2.0
// float16 <-> float32 by integers: the same on every machine. (Vector paths convert whole vectors by instruction; both
// are exact or rounded to nearest even, so they agree.)
#pragma once
#include <stdint.h>
#include <string.h>

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

inline float half_to_float(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023;
  uint32_t bits;
  if (exponent == 31) {
    bits = sign | 0x7f800000 | fraction << 13;
  } else if (exponent != 0) {
    bits = sign | (exponent + 112) << 23 | fraction << 13;
  } else {
    const float magnitude = float(fraction) * 0x1p-24f;  // exact
    memcpy(&bits, &magnitude, 4);
    bits |= sign;
  }
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

// For 0 <= x <= 65504.
inline uint16_t half_from_float(float x) {
  uint32_t bits;
  if (x < 0x1p-14f) {  // a multiple of 2^-24: let one addition round
    const float shifted = x + 0.5f;
    memcpy(&bits, &shifted, 4);
    return uint16_t(bits - 0x3f000000);
  }
  memcpy(&bits, &x, 4);
  bits += 0x0fff + ((bits >> 13) & 1);
  return uint16_t((bits >> 13) - (112u << 10));
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
