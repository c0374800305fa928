// SPDX-License-Identifier: Apache-2.0
// The weights of GGUF blocks, one by one and straight from the published formulas: the other side of every check that
// compares a converted file with its source. Shares no line with the packer, so that both cannot be wrong in the same
// way. Float32, every step rounded.
#pragma once
#include <cstdint>

#include "converter/block_formats.h"

namespace sluice {

// Weight `i` of a run of blocks of a format that can be converted.
float source_weight(const BlockFormat& format, const uint8_t* blocks, uint64_t i);

}  // namespace sluice
