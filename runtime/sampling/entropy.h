// SPDX-License-Identifier: Apache-2.0
// Samplers that ask how sure the model is: the entropy H = -Σ p ln p of the candidates decides what stays, or the
// temperature. Each on its own; nothing here allocates.
#pragma once
#include "runtime/sampling/candidate.h"

namespace sluice {

// Locally typical sampling (Meister et al. 2022): keeps the candidates whose surprise -ln p is nearest to H until their
// probability passes p (rank decides among equally near ones). The result is in order of rank. At least one.
std::span<Candidate> keep_typical(std::span<Candidate> candidates, double p);

// Top-H (bounded entropy, 2025), as published: the longest prefix in order of rank whose own entropy, renormalized, is
// at most alpha times H. (Some programs compare the prefix's share of H instead, which keeps fewer.) The result is in
// order of rank. At least one.
std::span<Candidate> keep_top_h(std::span<Candidate> candidates, double alpha);

// temp ± range by how flat the candidates are: low + (high - low) (H / ln n)^exponent, low not below 0.
struct DynamicTemperature {
  float range = 0, exponent = 1;  // range <= 0: off
};
double dynamic_temperature(std::span<const Candidate> candidates, double temp, const DynamicTemperature& options);

}  // namespace sluice
