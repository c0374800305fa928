// SPDX-License-Identifier: Apache-2.0
// Qwen2, Qwen2.5 (and Coder): Llama's block with biases on Q, K and V.
#include "converter/archs/families.h"

namespace sluice {

Status describe_qwen2(Describer& model) {
  SLUICE_DO(model.read_sizes());
  SLUICE_TRY(const double base, model.gguf().real(model.key("rope.freq_base"), 10000));
  SLUICE_TRY(const uint32_t rope, model.add_rope(base));
  SLUICE_DO(model.read_windows());
  for (uint32_t l = 0; l < model.n_layers(); ++l) {
    model.layer(l).rope = rope;
    SLUICE_DO(model.add_attention(l, fb::RowOrder::Plain));
    SLUICE_DO(model.add_ffn(l));
  }
  return model.add_head();
}

}  // namespace sluice
