// SPDX-License-Identifier: Apache-2.0
// Measures what the speed of a model on this machine depends on, without loading all of it: a short decode on a part of
// its weights, and reads from its file as the weight stream makes them.
#pragma once
#include "runtime/engine/engine.h"

namespace sluice {

// Of a weight stream of which nothing is computed: half a second, longer where a single read takes longer. 1e9 bytes/s.
Result<double> measure_disk_GB_s(const std::shared_ptr<const Model>& model);

// About a second and a half, within the budget of the plan, which must fit: kNoFit.
Result<Speed> measure_speed(const std::shared_ptr<const Model>& model, const Plan& plan);

}  // namespace sluice
