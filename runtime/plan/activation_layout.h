// SPDX-License-Identifier: Apache-2.0
// Where every buffer between two phases lies: one block, sized by the largest layer and the rows of one step. The plan
// asks for its size, the engine for its places; both by the same function.
#pragma once
#include <cstdint>

#include "runtime/plan/shape.h"

namespace sluice {

// Offsets into the block; each buffer begins on a 64-byte border. [rows, …] with rows = max_rows.
struct ActivationLayout {
  struct Quantized {  // an Activations of up to `cols` columns
    uint64_t f32 = 0, q8 = 0, scale = 0, sum16 = 0;
  };
  uint64_t x[2] = {};       // f32 [rows, d_model]: the residual stream; the second only with post-norms
  uint64_t branch = 0;      // f32 [rows, d_model], only with post-norms
  uint64_t q = 0;           // f32 [rows, max n_heads * head_dim]
  Quantized attended, ffn;  // [rows, max n_heads * head_dim], [rows, max d_ff]
  std::vector<uint64_t> rope_cos, rope_sin;  // per rope table: f32 [rows, half]
  uint64_t total = 0;
};

ActivationLayout activation_layout(const ModelShape& shape, uint32_t max_rows);

}  // namespace sluice
