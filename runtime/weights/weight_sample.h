// SPDX-License-Identifier: Apache-2.0
// A part of a model's weights that takes as long to compute with as all of them: for every kind of chunk (same tensors,
// same format, same size) some, which stand for the others. For measuring how fast a model computes without loading it.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/model/tensors.h"

namespace sluice {

// By chunk of the file: the chunk that stands for it, itself if it is part of the sample; Model::kAbsent for chunks
// that are not computed with. About `bytes` together, and at least one chunk of every kind.
std::vector<uint32_t> weight_sample(const Model& model, const ModelTensors& tensors, uint64_t bytes);

}  // namespace sluice
