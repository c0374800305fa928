// SPDX-License-Identifier: Apache-2.0
// The small files of a Hugging Face folder that say how to talk to the model: tokenizer_config.json,
// special_tokens_map.json, chat_template.jinja or .json, generation_config.json.
#pragma once
#include <string>

#include "converter/hf_assembler.h"
#include "converter/hf_config.h"
#include "converter/hf_tokenizer.h"

namespace sluice {

// Ids of the special tokens, what is put around a text, chat templates, sampling. `folder` ends with a slash.
Status write_hf_chat(const std::string& folder, const HfConfig& config, const HfTokenizer& tokenizer, HfAssembler& out);

}  // namespace sluice
