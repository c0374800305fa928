// SPDX-License-Identifier: Apache-2.0
// A Hugging Face folder (config.json, tokenizer.json, *.safetensors and the small files beside them) in the terms of
// GGUF, fully validated. To add a family: a row in hf_config.cc, and in archs/ what the row names.
#pragma once
#include <string>
#include <vector>

#include "converter/gguf.h"
#include "converter/vocabulary.h"

namespace sluice {

bool names_folder(const std::string& path);

// True if it has a config.json and weights as safetensors.
bool is_hf_folder(const std::string& path);

// The files of the folder that a conversion reads, config.json first; those that are missing are left out.
std::vector<std::string> hf_files(const std::string& folder);

// kBadModel with file, offset and reason.
Result<Gguf> open_hf_folder(const std::string& folder, const Notice& notice);

}  // namespace sluice
