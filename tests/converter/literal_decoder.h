// SPDX-License-Identifier: Apache-2.0
// The weights of GGUF blocks, one by one and straight from the published formulas: shares no line with the converter,
// so that both cannot be wrong in the same way. Float32, every step rounded.
#pragma once
#include <cstdint>
#include <vector>

namespace sluice::test {

// Bytes that hold `n` weights of a type.
uint64_t literal_bytes(uint32_t type, uint64_t n);

// Weight `i` of a run of blocks.
float literal_weight(uint32_t type, const uint8_t* blocks, uint64_t i);

std::vector<float> literal_weights(uint32_t type, const uint8_t* blocks, uint64_t n);

}  // namespace sluice::test
