// SPDX-License-Identifier: Apache-2.0
// Weights of a tensor as float32, straight from the file: for checks, slow and obvious.
#pragma once
#include <span>

#include "runtime/model/model.h"

namespace sluice {

// Rows [first_row, first_row + n_rows) of tensor `index` into out [n_rows][cols], in the row order of the file the model
// came from. kUsage when the rows do not exist; the hashes of all chunks touched are checked.
Status read_weights(const Model& model, uint32_t index, uint32_t first_row, uint32_t n_rows, std::span<float> out);

}  // namespace sluice
