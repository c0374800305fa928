// SPDX-License-Identifier: Apache-2.0
// The weights of a Hugging Face folder: one model.safetensors, or several files that model.safetensors.index.json
// lists.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "converter/hf_assembler.h"
#include "converter/hf_config.h"
#include "converter/vocabulary.h"

namespace sluice {

inline constexpr const char* kHfWeights = "model.safetensors";
inline constexpr const char* kHfIndex = "model.safetensors.index.json";

// Names of the files with weights, in the order of their first mention. `folder` ends with a slash. Names that lead out
// of the folder are refused.
Result<std::vector<std::string>> hf_weight_files(const std::string& folder);

// Adds the tensors of all files under GGUF's names, and what fused matrices consist of. n_rows: of the embedding.
Status add_hf_weights(const std::string& folder, const HfConfig& config, HfAssembler& out, const Notice& notice,
                      uint32_t& n_rows);

}  // namespace sluice
