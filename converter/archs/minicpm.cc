// SPDX-License-Identifier: Apache-2.0
// MiniCPM (arXiv 2404.06395): Llama's block with scaled embeddings, branches and outputs. No field says "scaled
// branch", and none is needed: with the residual stream divided by the scale s of the branches everything is the same,
// because each branch begins with a norm. So embeddings are multiplied by scale_emb / s, and eps is divided by s². The
// outputs' factor lies in the weights of the last norm.
#include <cmath>

#include "converter/archs/families.h"

namespace sluice {

Status describe_minicpm(Describer& model) {
  if (!model.gguf().half_split()) {
    return model.gguf().key_error("general.architecture",
                                  "is \"minicpm\", which is read from its safetensors folder only");
  }
  SLUICE_DO(model.read_sizes());
  SLUICE_TRY(const double embedding, model.gguf().real(model.key("embedding_scale"), 1));
  SLUICE_TRY(const double branch, model.gguf().real(model.key("residual_scale"), 1));
  fb::ConfigT& config = model.config();
  config.embedding_scale = float(embedding / branch);
  config.norm_eps = float(double(config.norm_eps) / (branch * branch));
  const bool fits =
      std::isfinite(config.embedding_scale) && config.embedding_scale > 0 && config.norm_eps > 0 && config.norm_eps < 1;
  if (!fits) return model.gguf().key_error(model.key("residual_scale"), "gives scales beyond float32");
  SLUICE_TRY(const double base, model.gguf().real(model.key("rope.freq_base"), 10000));
  SLUICE_TRY(const uint32_t rope, model.add_rope(base));
  for (uint32_t l = 0; l < model.n_layers(); ++l) {
    model.layer(l).rope = rope;
    SLUICE_DO(model.add_attention(l, fb::RowOrder::Plain));
    SLUICE_DO(model.add_ffn(l));
  }
  return model.add_head();
}

}  // namespace sluice
