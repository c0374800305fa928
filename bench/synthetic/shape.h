// SPDX-License-Identifier: Apache-2.0
// The shape of a synthetic model: the sizes that fix its tensors, with presets named after models of the same sizes.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice {

struct SyntheticShape {
  std::string name;
  uint32_t n_layers = 0, d_model = 0, n_heads = 0, n_kv_heads = 0, head_dim = 0, d_ff = 0, n_vocab = 0;
  uint32_t n_ctx = 8192;
  double rope_base = 500000;
  std::string format = "q4_k";  // of every matrix
  bool tied_head = false;
  uint64_t seed = 1;
};

inline constexpr uint32_t kLeastSyntheticVocab = 512;  // 256 bytes, begin and end of a text, some words

// "tiny", "1b", "8b", "70b".
const std::vector<SyntheticShape>& synthetic_presets();
const SyntheticShape* find_synthetic_preset(std::string_view name);

// kUsage for what no .slm file can hold, or what has no random codes (floats).
Status check_synthetic_shape(const SyntheticShape& shape);

}  // namespace sluice
