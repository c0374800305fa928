// SPDX-License-Identifier: Apache-2.0
#include "converter/archs/describer.h"

#include <cmath>
#include <utility>

namespace sluice {

using fb::Role;
using fb::RowOrder;

Result<std::vector<uint32_t>> Describer::per_layer(std::string_view suffix, uint32_t min, uint32_t max,
                                                   std::optional<uint32_t> fallback) {
  const std::string name = key(suffix);
  const GgufValue* value = gguf_.find(name);
  if (!value && fallback) return std::vector<uint32_t>(n_layers(), *fallback);
  if (!value || !value->is_array) {
    SLUICE_TRY(const uint32_t number, gguf_.integer(name, min, max));
    return std::vector<uint32_t>(n_layers(), number);
  }
  SLUICE_TRY(std::vector<uint32_t> numbers, gguf_.integers(name, kMaxLayers));
  if (numbers.size() != n_layers()) {
    return gguf_.key_error(
        name, "has " + std::to_string(numbers.size()) + " elements for " + std::to_string(n_layers()) + " layers");
  }
  for (uint32_t n : numbers) {
    if (n < min || n > max) {
      return gguf_.key_error(name, "has the element " + std::to_string(n) + ", expected " + std::to_string(min) +
                                       " to " + std::to_string(max));
    }
  }
  return numbers;
}

Result<float> Describer::magnitude(std::string_view suffix, float fallback) {
  if (!gguf_.has(key(suffix))) return fallback;
  SLUICE_TRY(const double x, gguf_.real(key(suffix)));
  const bool fits = std::isfinite(float(x)) && (x == 0 || float(x) != 0);
  if (x < 0 || !fits) return gguf_.key_error(key(suffix), "is negative or beyond float32");
  return float(x);
}

Status Describer::read_sizes() {
  fb::ConfigT& c = out_.config;
  SLUICE_TRY(const uint32_t n_experts, gguf_.integer(key("expert_count"), 0, UINT32_MAX, 0));
  if (n_experts > 0)
    return gguf_.key_error(key("expert_count"),
                           "is " + std::to_string(n_experts) + ": models with experts are not read yet");
  SLUICE_TRY(c.n_layers, gguf_.integer(key("block_count"), 1, kMaxLayers));
  SLUICE_TRY(c.d_model, gguf_.integer(key("embedding_length"), 1, kMaxModelWidth));
  SLUICE_TRY(c.n_ctx, gguf_.integer(key("context_length"), 1, kMaxContext));
  SLUICE_DO(gguf_.real(key("attention.layer_norm_rms_epsilon")));  // no fallback
  SLUICE_TRY(c.norm_eps, magnitude("attention.layer_norm_rms_epsilon", 0));
  if (!(c.norm_eps > 0 && c.norm_eps < 1))
    return gguf_.key_error(key("attention.layer_norm_rms_epsilon"), "lies outside 0 to 1");
  c.n_vocab = n_vocab_;

  SLUICE_TRY(const std::vector<uint32_t> n_heads, per_layer("attention.head_count", 1, kMaxHeads));
  std::vector<uint32_t> n_kv_heads = n_heads;
  if (gguf_.has(key("attention.head_count_kv"))) {
    SLUICE_TRY(n_kv_heads, per_layer("attention.head_count_kv", 1, kMaxHeads));
  }
  SLUICE_TRY(const std::vector<uint32_t> d_ff, per_layer("feed_forward_length", 1, kMaxFfWidth));
  const bool divides = c.d_model % n_heads[0] == 0 && c.d_model / n_heads[0] <= kMaxHeadDim;
  if (!divides && !gguf_.has(key("attention.key_length"))) {
    return gguf_.key_error(key("attention.head_count"),
                           "does not divide embedding_length, and attention.key_length is missing");
  }
  SLUICE_TRY(const uint32_t head_dim,
             gguf_.integer(key("attention.key_length"), 2, kMaxHeadDim, c.d_model / n_heads[0]));
  SLUICE_TRY(const uint32_t value_dim, gguf_.integer(key("attention.value_length"), 2, kMaxHeadDim, head_dim));
  if (value_dim != head_dim) {
    return gguf_.key_error(key("attention.value_length"), "is " + std::to_string(value_dim) +
                                                              " with an attention.key_length of " +
                                                              std::to_string(head_dim) + "; they must be equal");
  }
  if (head_dim % 2 != 0)
    return gguf_.key_error(key("attention.key_length"), "gives an odd head size of " + std::to_string(head_dim));
  SLUICE_TRY(n_rot_, gguf_.integer(key("rope.dimension_count"), 2, head_dim, head_dim));
  if (n_rot_ % 2 != 0) return gguf_.key_error(key("rope.dimension_count"), "is odd");

  for (uint32_t l = 0; l < c.n_layers; ++l) {
    if (uint64_t{n_heads[l]} * head_dim > kMaxAttentionWidth) {
      return gguf_.key_error(key("attention.head_count"), "gives " + std::to_string(n_heads[l]) + " heads of " +
                                                              std::to_string(head_dim) + ", more than " +
                                                              std::to_string(kMaxAttentionWidth) + " channels");
    }
  }

  SLUICE_TRY(const float scale, magnitude("attention.scale", 0));
  SLUICE_TRY(const float softcap, magnitude("attn_logit_softcapping", 0));
  SLUICE_TRY(c.final_softcap, magnitude("final_logit_softcapping", 0));
  for (uint32_t l = 0; l < c.n_layers; ++l) {
    if (n_heads[l] % n_kv_heads[l] != 0) {
      return gguf_.key_error(
          key("attention.head_count_kv"),
          "is " + std::to_string(n_kv_heads[l]) + ", which does not divide " + std::to_string(n_heads[l]) + " heads");
    }
    auto layer = std::make_unique<fb::LayerT>();
    layer->n_heads = n_heads[l];
    layer->n_kv_heads = n_kv_heads[l];
    layer->head_dim = head_dim;
    layer->d_ff = d_ff[l];
    layer->attn_scale = scale > 0 ? scale : float(1.0 / std::sqrt(double(head_dim)));
    layer->attn_softcap = softcap;
    layer->activation = fb::Activation::Silu;
    c.layers.push_back(std::move(layer));
  }
  return {};
}

Status Describer::read_windows() {
  constexpr const char* kPattern = "attention.sliding_window_pattern";
  const GgufValue* pattern = gguf_.find(key(kPattern));
  if (!pattern || !pattern->is_array) return {};
  SLUICE_TRY(const uint32_t window, gguf_.integer(key("attention.sliding_window"), 0, kMaxContext, 0));
  SLUICE_TRY(const std::vector<uint32_t> windowed, per_layer(kPattern, 0, 1));
  for (uint32_t l = 0; l < n_layers(); ++l) layer(l).window = windowed[l] ? window : 0;
  return {};
}

// ---- tensors -----------------------------------------------------------------------------------------------------

namespace {
std::string full_name(int32_t layer, std::string_view name) {
  return layer < 0 ? std::string(name) : "blk." + std::to_string(layer) + "." + std::string(name);
}
}  // namespace

Error Describer::shape_error(const GgufTensor& tensor, const std::string& expected) const {
  return make_error(Code::kBadModel, gguf_.file_of(tensor).path(), tensor.described_at,
                    "tensor %s has the shape %s, expected %s", tensor.title().c_str(), tensor.shape().c_str(),
                    expected.c_str());
}

Error Describer::missing(const std::string& name) const {
  const bool is_gguf = std::string_view(gguf_.container()) == "GGUF";
  return make_error(Code::kBadModel, gguf_.file().path(), kNoOffset, "tensor %s is missing%s", name.c_str(),
                    is_gguf ? "" : " (so named in GGUF files)");
}

bool Describer::has(int32_t layer, std::string_view name) const { return gguf_.find_tensor(full_name(layer, name)); }

Status Describer::require(int32_t layer, std::initializer_list<std::string_view> names) const {
  for (std::string_view name : names) {
    if (!has(layer, name)) {
      return missing(full_name(layer, name));
    }
  }
  return {};
}

Result<const GgufTensor*> Describer::take(int32_t layer, std::string_view name) {
  const std::string full = full_name(layer, name);
  const GgufTensor* tensor = gguf_.find_tensor(full);
  if (!tensor) return missing(full);
  if (!tensor->format->native) {
    return make_error(Code::kBadModel, gguf_.file_of(*tensor).path(), tensor->described_at,
                      "tensor %s has the type %s, which cannot be converted: %s", tensor->title().c_str(),
                      tensor->format->name, tensor->format->remark);
  }
  used_.insert(tensor);
  return tensor;
}

Status Describer::vector(Role role, int32_t layer, std::string_view name, uint32_t n, RowOrder order) {
  SLUICE_TRY(const GgufTensor* tensor, take(layer, name));
  if (tensor->dims[0] != n || tensor->n_rows() != 1) return shape_error(*tensor, "[" + std::to_string(n) + "]");
  if (tensor->format->unpack) {
    return make_error(Code::kBadModel, gguf_.file_of(*tensor).path(), tensor->described_at,
                      "tensor %s has the type %s, expected plain numbers", tensor->title().c_str(),
                      tensor->format->name);
  }
  Part part;
  part.layer = layer, part.row_major = true;
  const uint32_t head_dim = layer < 0 ? 0 : out_.config.layers[uint32_t(layer)]->head_dim;
  part.members.push_back({role, layer, tensor, 1, n, order, head_dim});
  out_.parts.push_back(std::move(part));
  return {};
}

Status Describer::optional_vector(Role role, int32_t layer, std::string_view name, uint32_t n, RowOrder order) {
  return has(layer, name) ? vector(role, layer, name, n, order) : Status();
}

Result<TensorUse> Describer::matrix_use(Role role, int32_t layer, std::string_view name, uint32_t rows, uint32_t cols,
                                        RowOrder order) {
  SLUICE_TRY(const GgufTensor* tensor, take(layer, name));
  // Only matrices with a row per token may have padding rows at the end.
  const bool padded = layer < 0 && tensor->dims[1] > rows;
  if (tensor->dims[0] != cols || (tensor->dims[1] != rows && !padded) || tensor->dims[2] * tensor->dims[3] != 1) {
    return shape_error(*tensor, "[" + std::to_string(cols) + ", " + std::to_string(rows) + "]");
  }
  const uint32_t head_dim = layer < 0 ? 0 : out_.config.layers[uint32_t(layer)]->head_dim;
  return TensorUse{role, layer, tensor, rows, cols, order, head_dim};
}

Status Describer::matrix(Role role, int32_t layer, std::string_view name, uint32_t rows, uint32_t cols,
                         RowOrder order) {
  Part part;
  part.layer = layer;
  SLUICE_TRY(TensorUse use, matrix_use(role, layer, name, rows, cols, order));
  part.members.push_back(use);
  out_.parts.push_back(std::move(part));
  return {};
}

Status Describer::add_attention(uint32_t index, RowOrder order) {
  const int32_t l = int32_t(index);
  const uint32_t d = out_.config.d_model, hd = layer(index).head_dim;
  const uint32_t q = layer(index).n_heads * hd, kv = layer(index).n_kv_heads * hd;
  SLUICE_DO(vector(Role::AttnNorm, l, "attn_norm.weight", d));
  SLUICE_DO(matrix(Role::AttnQ, l, "attn_q.weight", q, d, order));
  SLUICE_DO(matrix(Role::AttnK, l, "attn_k.weight", kv, d, order));
  SLUICE_DO(matrix(Role::AttnV, l, "attn_v.weight", kv, d));
  SLUICE_DO(optional_vector(Role::AttnQBias, l, "attn_q.bias", q, order));
  SLUICE_DO(optional_vector(Role::AttnKBias, l, "attn_k.bias", kv, order));
  SLUICE_DO(optional_vector(Role::AttnVBias, l, "attn_v.bias", kv));
  SLUICE_DO(optional_vector(Role::AttnQNorm, l, "attn_q_norm.weight", hd, order));
  SLUICE_DO(optional_vector(Role::AttnKNorm, l, "attn_k_norm.weight", hd, order));
  SLUICE_DO(matrix(Role::AttnOutput, l, "attn_output.weight", d, q));
  return optional_vector(Role::AttnOutputBias, l, "attn_output.bias", d);
}

Status Describer::add_ffn(uint32_t index) {
  const int32_t l = int32_t(index);
  const uint32_t d = out_.config.d_model, ff = layer(index).d_ff;
  SLUICE_DO(vector(Role::FfnNorm, l, "ffn_norm.weight", d));
  Part part;
  part.layer = l;
  SLUICE_TRY(TensorUse gate, matrix_use(Role::FfnGate, l, "ffn_gate.weight", ff, d, RowOrder::Plain));
  SLUICE_TRY(TensorUse up, matrix_use(Role::FfnUp, l, "ffn_up.weight", ff, d, RowOrder::Plain));
  part.members = {gate, up};
  out_.parts.push_back(std::move(part));
  return matrix(Role::FfnDown, l, "ffn_down.weight", d, ff);
}

Status Describer::add_head() {
  const uint32_t d = out_.config.d_model;
  SLUICE_DO(vector(Role::OutputNorm, -1, "output_norm.weight", d));
  Part embedding;
  SLUICE_TRY(TensorUse use, matrix_use(Role::TokenEmbedding, -1, "token_embd.weight", n_vocab_, d, RowOrder::Plain));
  embedding.members.push_back(use);
  out_.config.tied_head = !has(-1, "output.weight");
  if (out_.config.tied_head) {
    embedding.access = fb::Access::Both;
  } else {
    SLUICE_DO(matrix(Role::OutputHead, -1, "output.weight", n_vocab_, d));
    embedding.access = fb::Access::GatherRows, embedding.row_major = true;
  }
  out_.parts.push_back(std::move(embedding));
  return {};
}

Status Describer::finish() const {
  for (const GgufTensor& tensor : gguf_.tensors()) {
    if (!used_.count(&tensor)) {
      return make_error(
          Code::kBadModel, gguf_.file_of(tensor).path(), tensor.described_at,
          "tensor %s has no place in the architecture %s; without it the model would compute something else",
          tensor.title().c_str(), prefix_.substr(0, prefix_.size() - 1).c_str());
    }
  }
  return {};
}

}  // namespace sluice
