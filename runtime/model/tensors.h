// SPDX-License-Identifier: Apache-2.0
// The tensors of every layer by what they do, found once. The reader has checked that they exist and fit the
// configuration; what this program cannot compute is refused here.
#pragma once
#include <vector>

#include "runtime/model/model.h"

namespace sluice {

// Indexes into the tensor table; Model::kAbsent where a model has none.
struct LayerTensors {
  uint32_t attn_norm, q, k, v, q_bias, k_bias, v_bias, q_norm, k_norm;
  uint32_t attn_output, attn_output_bias, attn_post_norm;
  uint32_t ffn_norm, gate, up, down, ffn_post_norm;
};

struct ModelTensors {
  uint32_t embedding, output_norm, head;  // head == embedding when tied
  std::vector<LayerTensors> layers;
  bool has_post_norms = false;
};

// kBadModel for vocabulary-only files and for parts that this version does not compute (experts, sinks, planes).
Result<ModelTensors> find_tensors(const Model& model);

}  // namespace sluice
