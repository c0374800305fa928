// SPDX-License-Identifier: Apache-2.0
// Gemma 3 (text): embeddings times sqrt(d_model), GELU, norms before and after each branch and on Q and K; five layers
// with a sliding window and their own unscaled rotation to one that sees everything. GGUF norms already hold 1 + w.
#include <cmath>

#include "converter/archs/families.h"

namespace sluice {

namespace {

constexpr uint32_t kPeriod = 6;
constexpr uint32_t kLayers27B = 62;  // the one size whose scale is not 1/sqrt(head_dim)

// Per layer whether it has the window. The key is a period or one truth value per layer; without it every sixth layer
// sees everything.
Result<std::vector<bool>> windowed_layers(Describer& model) {
  std::vector<bool> windowed(model.n_layers());
  const std::string key = model.key("attention.sliding_window_pattern");
  const GgufValue* value = model.gguf().find(key);
  if (value && value->is_array) {
    SLUICE_TRY(const std::vector<uint32_t> flags, model.per_layer("attention.sliding_window_pattern", 0, 1));
    for (uint32_t l = 0; l < model.n_layers(); ++l) windowed[l] = flags[l] == 1;
    return windowed;
  }
  SLUICE_TRY(const uint32_t period, model.gguf().integer(key, 1, kMaxLayers, kPeriod));
  for (uint32_t l = 0; l < model.n_layers(); ++l) windowed[l] = l % period != period - 1;
  return windowed;
}

}  // namespace

Status describe_gemma3(Describer& model) {
  SLUICE_DO(model.read_sizes());
  const uint32_t d = model.config().d_model;
  model.config().embedding_scale = std::sqrt(float(d));
  SLUICE_TRY(const double base, model.gguf().real(model.key("rope.freq_base"), 10000));
  SLUICE_TRY(const double window_base, model.gguf().real(model.key("rope.freq_base_swa"), 10000));
  SLUICE_TRY(const uint32_t window, model.gguf().integer(model.key("attention.sliding_window"), 0, kMaxContext, 0));
  SLUICE_TRY(const std::vector<bool> windowed, windowed_layers(model));
  SLUICE_TRY(const uint32_t full_rope, model.add_rope(base));
  SLUICE_TRY(const uint32_t window_rope, model.add_rope(window_base, /*scaled=*/false));
  for (uint32_t l = 0; l < model.n_layers(); ++l) {
    fb::LayerT& layer = model.layer(l);
    const int32_t at = int32_t(l);
    layer.activation = fb::Activation::GeluTanh;
    layer.window = windowed[l] ? window : 0;
    layer.rope = layer.window > 0 ? window_rope : full_rope;
    if (model.n_layers() == kLayers27B && !model.gguf().has(model.key("attention.scale")))
      layer.attn_scale = float(1.0 / std::sqrt(double(d / layer.n_heads)));
    SLUICE_DO(model.require(at, {"attn_q_norm.weight", "attn_k_norm.weight"}));
    SLUICE_DO(model.add_attention(l, fb::RowOrder::Plain));
    SLUICE_DO(model.vector(fb::Role::AttnPostNorm, at, "post_attention_norm.weight", d));
    SLUICE_DO(model.add_ffn(l));
    SLUICE_DO(model.vector(fb::Role::FfnPostNorm, at, "post_ffw_norm.weight", d));
  }
  return model.add_head();
}

}  // namespace sluice
