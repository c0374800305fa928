// SPDX-License-Identifier: Apache-2.0
// The vocabulary in which family files describe a decoder: reading the common keys, naming tensors with their expected
// shapes, and the parts that most families share. Every mismatch is an error that names the tensor or key.
#pragma once
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "converter/archs/architecture.h"
#include "schema/layout.h"

namespace sluice {

// Beside the limits of the .slm file (schema/layout.h): they bound the buffers of a strip, and are far beyond any
// model.
inline constexpr uint32_t kMaxModelWidth = 1 << 16;
inline constexpr uint32_t kMaxFfWidth = 1 << 18;
inline constexpr uint32_t kMaxAttentionWidth = 1 << 18;  // heads times their size

class Describer {
 public:
  Describer(const Gguf& gguf, std::string_view architecture, uint32_t n_vocab, ModelDescription& out)
      : gguf_(gguf), prefix_(std::string(architecture) + "."), n_vocab_(n_vocab), out_(out) {}

  const Gguf& gguf() const { return gguf_; }
  fb::ConfigT& config() { return out_.config; }
  fb::LayerT& layer(uint32_t l) { return *out_.config.layers[l]; }
  uint32_t n_layers() const { return out_.config.n_layers; }
  std::string key(std::string_view suffix) const { return prefix_ + std::string(suffix); }

  // ---- fields ----
  // Sizes, heads, eps, context, soft caps; every layer begins with scale 1/sqrt(head_dim), SiLU and no window.
  // Refuses models with experts.
  Status read_sizes();
  // Adds a table of rotary frequencies and returns its index: `base`, the file's rope_freqs.weight, and the scaling of
  // rope.scaling.* unless `scaled` is false.
  Result<uint32_t> add_rope(double base, bool scaled = true);
  // Where the file says which layers see only a window: gives them that window.
  Status read_windows();
  // How the rows of Q and K lie in sources of families whose GGUF files keep rotation pairs together.
  fb::RowOrder paired_rows() const { return gguf_.half_split() ? fb::RowOrder::Plain : fb::RowOrder::RopePairs; }
  // A number of at least 0 that float32 can hold; `fallback` if the key is missing.
  Result<float> magnitude(std::string_view suffix, float fallback);
  // One number per layer: a single integer or an array.
  Result<std::vector<uint32_t>> per_layer(std::string_view suffix, uint32_t min, uint32_t max,
                                          std::optional<uint32_t> fallback = {});

  // ---- tensors, appended in execution order; `name` is written without "blk.N." when layer >= 0 ----
  bool has(int32_t layer, std::string_view name) const;
  Status require(int32_t layer, std::initializer_list<std::string_view> names) const;
  Status vector(fb::Role role, int32_t layer, std::string_view name, uint32_t n,
                fb::RowOrder order = fb::RowOrder::Plain);
  Status optional_vector(fb::Role role, int32_t layer, std::string_view name, uint32_t n,
                         fb::RowOrder order = fb::RowOrder::Plain);
  Status matrix(fb::Role role, int32_t layer, std::string_view name, uint32_t rows, uint32_t cols,
                fb::RowOrder order = fb::RowOrder::Plain);

  // ---- what most families share ----
  // attn_norm, Q, K, V with their biases and norms where the file has them, attn_output. `order`: how the file stores
  // the rows of Q and K.
  Status add_attention(uint32_t layer, fb::RowOrder order);
  // ffn_norm, gate and up as one part whose strips alternate, ffn_down.
  Status add_ffn(uint32_t layer);
  // output_norm, then output.weight and token_embd as a gathered table, or token_embd as both.
  Status add_head();

  // Every tensor of the file must have been used.
  Status finish() const;

 private:
  Result<const GgufTensor*> take(int32_t layer, std::string_view name);
  Result<TensorUse> matrix_use(fb::Role role, int32_t layer, std::string_view name, uint32_t rows, uint32_t cols,
                               fb::RowOrder order);
  Result<std::vector<double>> frequency_factors(uint32_t n, const std::string& kind, double base);
  Result<std::vector<double>> llama3_factors(uint32_t n, double base);
  Error shape_error(const GgufTensor& tensor, const std::string& expected) const;
  Error missing(const std::string& name) const;

  const Gguf& gguf_;
  std::string prefix_;
  uint32_t n_vocab_;
  uint32_t n_rot_ = 0;
  ModelDescription& out_;
  std::set<const GgufTensor*> used_;
};

}  // namespace sluice
