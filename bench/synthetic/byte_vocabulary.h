// SPDX-License-Identifier: Apache-2.0
// The smallest vocabulary that can read and write any text: the 256 bytes, then words that no text is cut into, then
// the begin and the end of a text.
#pragma once
#include <memory>

#include "schema/model_generated.h"

namespace sluice {

// `n_tokens` of at least kLeastSyntheticVocab. No token ends an answer: it is as long as asked for.
std::unique_ptr<fb::VocabT> byte_vocabulary(uint32_t n_tokens);

}  // namespace sluice
