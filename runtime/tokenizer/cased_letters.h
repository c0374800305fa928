// SPDX-License-Identifier: Apache-2.0
// The letters that have case, as the pre-tokenizer of the first DeepSeek models lists them: of the Unicode version of
// its day, so that later additions to Unicode do not change how a text is cut.
#pragma once
#include <cstdint>

namespace sluice {

bool is_cased_letter(uint32_t code_point);

}  // namespace sluice
