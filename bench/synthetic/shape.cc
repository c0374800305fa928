// SPDX-License-Identifier: Apache-2.0
#include "bench/synthetic/shape.h"

#include "schema/layout.h"

namespace sluice {

namespace {

SyntheticShape preset(const char* name, uint32_t n_layers, uint32_t d_model, uint32_t n_heads, uint32_t n_kv_heads,
                      uint32_t head_dim, uint32_t d_ff, uint32_t n_vocab, const char* format, bool tied_head) {
  SyntheticShape s;
  s.name = name;
  s.n_layers = n_layers, s.d_model = d_model, s.n_heads = n_heads, s.n_kv_heads = n_kv_heads;
  s.head_dim = head_dim, s.d_ff = d_ff, s.n_vocab = n_vocab;
  s.format = format, s.tied_head = tied_head;
  return s;
}

Error refuse(const std::string& what) { return make_error(Code::kUsage, "", kNoOffset, "%s", what.c_str()); }

Status check_range(const char* what, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return {};
  return refuse(std::string(what) + " is " + std::to_string(value) + ", expected " + std::to_string(least) + " to " +
                std::to_string(most));
}

}  // namespace

const std::vector<SyntheticShape>& synthetic_presets() {
  static const std::vector<SyntheticShape> presets = {
      preset("tiny", 4, 256, 4, 2, 64, 768, 2048, "q4_0", false),
      preset("1b", 16, 2048, 32, 8, 64, 8192, 128256, "q4_k", true),       // Llama 3.2 1B
      preset("8b", 32, 4096, 32, 8, 128, 14336, 128256, "q4_k", false),    // Llama 3.1 8B
      preset("70b", 80, 8192, 64, 8, 128, 28672, 128256, "q4_k", false)};  // Llama 3.1 70B
  return presets;
}

const SyntheticShape* find_synthetic_preset(std::string_view name) {
  for (const SyntheticShape& shape : synthetic_presets()) {
    if (shape.name == name) return &shape;
  }
  return nullptr;
}

Status check_synthetic_shape(const SyntheticShape& s) {
  const FormatSpec* format = find_format(s.format);
  if (!format || format->group_size == 0) return refuse("'" + s.format + "' is not a format of quantized blocks");
  SLUICE_DO(check_range("the number of layers", s.n_layers, 1, kMaxLayers));
  SLUICE_DO(check_range("d_model", s.d_model, 1, kMaxDimension));
  SLUICE_DO(check_range("the number of heads", s.n_heads, 1, kMaxHeads));
  SLUICE_DO(check_range("the number of KV heads", s.n_kv_heads, 1, s.n_heads));
  SLUICE_DO(check_range("head_dim", s.head_dim, 2, kMaxHeadDim));
  SLUICE_DO(check_range("heads times head_dim", uint64_t{s.n_heads} * s.head_dim, 1, kMaxDimension));
  SLUICE_DO(check_range("d_ff", s.d_ff, 1, kMaxDimension));
  SLUICE_DO(check_range("the vocabulary", s.n_vocab, kLeastSyntheticVocab, kMaxVocab));
  SLUICE_DO(check_range("the context", s.n_ctx, 1, kMaxContext));
  if (s.n_heads % s.n_kv_heads != 0) return refuse("the number of KV heads must divide the number of heads");
  if (s.head_dim % 2 != 0) return refuse("head_dim must be even");
  return {};
}

}  // namespace sluice
