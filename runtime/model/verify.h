// SPDX-License-Identifier: Apache-2.0
// All that opening a model leaves out: the hash of every chunk, and the order of the look-up table for texts.
#pragma once
#include <functional>

#include "runtime/model/model.h"

namespace sluice {

// false cancels.
using Progress = std::function<bool(uint64_t done_bytes, uint64_t total_bytes)>;

// The hash of chunk `index`, whose bytes are `data`, is right; else kBadModel with the tensor and the offset.
Status check_chunk(const Model& model, uint32_t index, std::span<const std::byte> data);

// kBadModel at the first thing that is wrong, kCancelled.
Status verify_model(const Model& model, const Progress& progress);

}  // namespace sluice
