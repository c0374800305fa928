// SPDX-License-Identifier: Apache-2.0
// The buffers between phases, laid out in one block as plan/activation_layout.h says.
#pragma once
#include <vector>

#include "backends/backend.h"
#include "runtime/plan/activation_layout.h"

namespace sluice {

struct Buffers {
  Block block;
  float* x[2] = {};              // [max_rows, d_model]: the residual stream; both the same without post-norms
  float* branch = nullptr;       // [max_rows, d_model]
  float* q = nullptr;            // [max_rows, n_heads * head_dim]
  Activations attended, ffn;     // cols is set per layer
  std::vector<float*> cos, sin;  // per rope table: [max_rows, half]
};

Result<Buffers> make_buffers(const ModelShape& shape, uint32_t max_rows, Accountant& accountant);

}  // namespace sluice
