// SPDX-License-Identifier: Apache-2.0
// Llama 1 to 3, Mistral, SmolLM2, TinyLlama. Their GGUF files store the rows of Q and K in rotation pairs; the .slm
// file stores them half-split like every other family and like other sources.
#include "converter/archs/families.h"

namespace sluice {

Status describe_llama(Describer& model) {
  SLUICE_DO(model.read_sizes());
  const uint32_t head_dim = model.layer(0).head_dim;
  SLUICE_DO(model.gguf().integer(model.key("rope.dimension_count"), head_dim, head_dim, head_dim));
  SLUICE_TRY(const double base, model.gguf().real(model.key("rope.freq_base"), 10000));
  SLUICE_TRY(const uint32_t rope, model.add_rope(base));
  SLUICE_DO(model.read_windows());
  for (uint32_t l = 0; l < model.n_layers(); ++l) {
    model.layer(l).rope = rope;
    SLUICE_DO(model.add_attention(l, model.paired_rows()));
    SLUICE_DO(model.add_ffn(l));
  }
  return model.add_head();
}

}  // namespace sluice
