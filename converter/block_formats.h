// SPDX-License-Identifier: Apache-2.0
// The tensor types of GGUF in one table: their sizes, and for those that fit a native format of the .slm file how one
// block is taken apart into codes and scales. A further format is one row here and one function.
#pragma once
#include <cstdint>

namespace sluice {

// A run of 256 inputs of one row (or less, if source and tile have shorter blocks), taken apart. Which fields count
// depends on the native format: d and m hold one number per scale group, or d[0] and m[0] one per 256 with scale[] and
// minimum[] per sub-block. Everything as stored: f16 bits, an exponent byte, unsigned 6-bit scales.
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
  const char* native;  // name of the .slm format that takes its weights; null: none does, and `remark` says why
  // Takes apart one source block; `part` is its place inside a tile block that is longer than the source block.
  // Null for numbers, which are moved as they are or widened to float32.
  void (*unpack)(const uint8_t* block, uint32_t part, CodeBlock& out);
  // What happens to weights that do not keep their exact value; null: all of them do.
  const char* remark = nullptr;
};

// Null for ids that never existed or were removed from GGUF.
const BlockFormat* find_block_format(uint32_t type);

// F32, F16 and BF16: the tile has the same bits.
bool is_native_number(const BlockFormat& source);

// Numbers of any width (formats without unpack) to float32; exact but for I32, I64 and F64, which are rounded.
void widen_numbers(const BlockFormat& source, const uint8_t* from, uint32_t n, float* to);

// How many of n numbers of F32, F16 or BF16 are infinite or not a number.
uint32_t count_not_finite(const BlockFormat& source, const uint8_t* from, uint32_t n);

}  // namespace sluice
