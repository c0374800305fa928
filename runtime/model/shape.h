// SPDX-License-Identifier: Apache-2.0
// The numbers a plan needs, taken from a model.
#pragma once
#include "runtime/model/tensors.h"
#include "runtime/plan/shape.h"

namespace sluice {
ModelShape shape_of(const Model& model, const ModelTensors& tensors);
}
