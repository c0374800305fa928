// SPDX-License-Identifier: Apache-2.0
// The tensor types of GGUF in one table: their sizes, and for those that fit a native format of the .slm file how one
// block is taken apart into codes and scales. A further format is one row here and one function.
#pragma once
#include <cstdint>

namespace sluice {

// One block of the tile (up to 256 inputs of one row), taken apart. Which fields count depends on the native format:
// d and m hold one f16 per 32 inputs, or d[0] and m[0] one per 256 with scale[] and minimum[] per sub-block.
struct CodeBlock {
  alignas(64) uint8_t codes[256];
  uint16_t d[8];
  uint16_t m[8];
  uint8_t scale[16];
  uint8_t minimum[16];
};

struct BlockFormat {
  uint32_t type;  // id in the file
  const char* name;
  uint32_t inputs;     // weights of one block
  uint32_t bytes;      // of one block
  const char* native;  // name of the .slm format that holds exactly the same weights; null: none does
  // Takes apart one source block; `part` is its place inside a tile block that is longer than the source block.
  // Null for floats, which are moved as they are.
  void (*unpack)(const uint8_t* block, uint32_t part, CodeBlock& out);
};

inline constexpr uint32_t kBf16Type = 30;

// Null for ids that never existed or were removed from GGUF.
const BlockFormat* find_block_format(uint32_t type);

}  // namespace sluice
