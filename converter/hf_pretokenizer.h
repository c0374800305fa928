// SPDX-License-Identifier: Apache-2.0
// The steps before the merges of a tokenizer.json (normalizer, pre_tokenizer), recognized by their kinds and patterns.
#pragma once
#include <string>
#include <vector>

#include "converter/hf_json.h"

namespace sluice {

struct HfSteps {
  bool byte_level = false;           // bytes written as printable characters
  bool pieces = false;               // SentencePiece's spelling: ▁ for a space
  bool space_prefix = false;         // pieces: text begins with a space
  std::string pre;                   // byte level: name of the pre-tokenizer, "default" if the pattern is not known
  std::vector<std::string> notices;  // what is done there and cannot be done here
};

// `normalizer`, `pre_tokenizer` and `decoder` of the file.
HfSteps recognize_steps(const JsonValues& normalizer, const JsonValues& pre_tokenizer, const JsonValues& decoder);

}  // namespace sluice
