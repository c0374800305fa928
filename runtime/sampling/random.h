// SPDX-License-Identifier: Apache-2.0
// The counter-based generator of the samplers: draw k of a seed is a pure function of both, so a draw depends neither
// on how many were made before it nor on the machine.
#pragma once
#include <cstdint>

namespace sluice {

// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits that passes BigCrush on counters.
constexpr uint64_t mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// Uniform in [0, 1) with 53 bits. The seed is mixed first, so that neighbouring seeds share no stretch of draws.
constexpr double uniform_draw(uint64_t seed, uint64_t counter) {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15u;  // 2^64 / golden ratio, odd
  const uint64_t bits = mix64(mix64(seed + kGolden) + (counter + 1) * kGolden);
  return double(bits >> 11) * 0x1p-53;
}

// A second number for the same token, whether XTC acts: its own stream, so that the draw itself is the same with and
// without.
constexpr double xtc_draw(uint64_t seed, uint64_t counter) {
  constexpr uint64_t kStream = 0x5854430000000001u;  // "XTC", any constant but 0
  return uniform_draw(mix64(seed ^ kStream), counter);
}

}  // namespace sluice
