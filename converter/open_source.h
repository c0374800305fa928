// SPDX-License-Identifier: Apache-2.0
// Any source that can be converted, in the terms of GGUF.
#pragma once
#include <string>

#include "converter/gguf.h"
#include "converter/vocabulary.h"

namespace sluice {

// A GGUF file (or a part of a split one), or a Hugging Face folder.
Result<Gguf> open_source(const std::string& path, const Notice& notice);

}  // namespace sluice
