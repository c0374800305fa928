// SPDX-License-Identifier: Apache-2.0
// A model as JSON for people and tools: what its header says, without the weights.
#pragma once
#include <string>

#include "runtime/model/model.h"

namespace sluice {
std::string describe_model(const Model& model);
}
