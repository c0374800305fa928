// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/tensors.h"

namespace sluice {
namespace {

Error not_computed(const Model& model, const char* what) {
  return make_error(Code::kBadModel, model.name(), kNoOffset, "this version does not compute %s", what);
}

LayerTensors find_layer(const Model& model, int32_t layer) {
  const auto find = [&](fb::Role role) { return model.find(role, layer); };
  LayerTensors t;
  t.attn_norm = find(fb::Role::AttnNorm);
  t.q = find(fb::Role::AttnQ), t.k = find(fb::Role::AttnK), t.v = find(fb::Role::AttnV);
  t.q_bias = find(fb::Role::AttnQBias), t.k_bias = find(fb::Role::AttnKBias), t.v_bias = find(fb::Role::AttnVBias);
  t.q_norm = find(fb::Role::AttnQNorm), t.k_norm = find(fb::Role::AttnKNorm);
  t.attn_output = find(fb::Role::AttnOutput), t.attn_output_bias = find(fb::Role::AttnOutputBias);
  t.attn_post_norm = find(fb::Role::AttnPostNorm);
  t.ffn_norm = find(fb::Role::FfnNorm);
  t.gate = find(fb::Role::FfnGate), t.up = find(fb::Role::FfnUp), t.down = find(fb::Role::FfnDown);
  t.ffn_post_norm = find(fb::Role::FfnPostNorm);
  return t;
}

Status check_computable(const Model& model) {
  if (model.vocabulary_only())
    return make_error(Code::kBadModel, model.name(), kNoOffset, "this file holds a vocabulary only: there are no weights");
  if (model.header().layout()->string_view() != "packed") return not_computed(model, "weights in planes");
  for (uint32_t l = 0; l < model.config().n_layers(); ++l) {
    const fb::Layer& layer = *model.config().layers()->Get(l);
    if (layer.n_experts() > 0 || layer.d_ff_shared() > 0) return not_computed(model, "a mixture of experts");
    if (model.find(fb::Role::AttnSinks, int32_t(l)) != Model::kAbsent) return not_computed(model, "attention sinks");
  }
  return {};
}

}  // namespace

Result<ModelTensors> find_tensors(const Model& model) {
  SLUICE_DO(check_computable(model));
  ModelTensors tensors;
  tensors.embedding = model.find(fb::Role::TokenEmbedding);
  tensors.output_norm = model.find(fb::Role::OutputNorm);
  tensors.head = model.config().tied_head() ? tensors.embedding : model.find(fb::Role::OutputHead);
  for (uint32_t l = 0; l < model.config().n_layers(); ++l) {
    tensors.layers.push_back(find_layer(model, int32_t(l)));
    const LayerTensors& t = tensors.layers.back();
    tensors.has_post_norms |= t.attn_post_norm != Model::kAbsent || t.ffn_post_norm != Model::kAbsent;
  }
  return tensors;
}

}  // namespace sluice
