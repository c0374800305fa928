// SPDX-License-Identifier: Apache-2.0
// Phi-3, Phi-3.5, Phi-4 (text): Llama's block; a part of each head may stay unturned, long contexts have frequency
// factors of their own. Q, K and V, and gate and up, come as one matrix each, which the source has cut by now.
#include "converter/archs/families.h"

namespace sluice {

Status describe_phi3(Describer& model) {
  if (model.has(0, "attn_qkv.weight")) {
    return model.gguf().key_error("general.architecture",
                                  "is \"phi3\", which is read from its safetensors folder only");
  }
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
