// SPDX-License-Identifier: Apache-2.0
// Cosines and sines of the rotary position embedding. Canonical: angle = pos * inv_freq in double, then only additions
// and multiplications in double, rounded to float32 once and multiplied by the magnitude in float32; so every machine
// gets the same bits (libm's sin and cos differ between systems).
#pragma once
#include <cstdint>
#include <span>

namespace sluice {

struct CosSin {
  double cos, sin;
};

// For 0 <= angle <= kMaxAngle, within 1e-15. engine.cc sees to it that no model and no context lead beyond.
inline constexpr double kMaxAngle = double(1u << 30);
CosSin exact_cos_sin(double angle);

// cos, sin: [inv_freq.size()] of one position.
void rope_row(uint32_t pos, std::span<const double> inv_freq, float magnitude, float* cos, float* sin);

}  // namespace sluice
