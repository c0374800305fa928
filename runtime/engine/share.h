// SPDX-License-Identifier: Apache-2.0
// What a plan says about weights, chunk by chunk: which stay in memory, and which pieces are streamed.
#pragma once
#include <vector>

#include "runtime/plan/pinning.h"
#include "runtime/weights/stream_pieces.h"

namespace sluice {

struct Share {
  std::vector<bool> resident;         // by chunk of the file
  std::vector<StreamPiece> streamed;  // in the order of a step; empty: all weights are resident
  uint32_t n_body = 0;                // the first of them that belongs to the head
};

Share share_of(const Model& model, const ModelTensors& tensors, const WindowPlan& window);
Share share_of_sample(const std::vector<uint32_t>& sample);  // of weight_sample

}  // namespace sluice
