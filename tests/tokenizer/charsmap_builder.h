// SPDX-License-Identifier: Apache-2.0
// Builds small character maps in SentencePiece's layout (schema/charsmap.h), from pairs of texts.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sluice {

std::vector<uint8_t> build_charsmap(const std::map<std::string, std::string>& replacements);

}  // namespace sluice
