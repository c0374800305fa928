// SPDX-License-Identifier: Apache-2.0
// Numbers to blocks of a GGUF type, with the least weighted error that the search of quantize_search.h finds. What
// comes out is a row as a GGUF file would hold it, so the packer moves it like any other. Knows no file and no model.
#pragma once
#include <cstdint>

#include "converter/block_formats.h"

namespace sluice {

// n numbers, all finite, a multiple of the format's block; `importance`: how much the error of each counts (not
// negative), null: the same for all.
using EncodeRow = void (*)(const float* x, const float* importance, uint32_t n, uint8_t* blocks);

// Null for types that this program does not quantize to.
EncodeRow find_encoder(const BlockFormat& format);

// Scales are float16: magnitudes that a tensor's largest weight must lie between, or be 0. Below, too few bits of the
// scale are left; above, the scale would be infinite.
struct EncodableRange {
  float least = 0, most = 0;
};
EncodableRange encodable_range(const BlockFormat& format);  // of one that has an encoder

// Bits of one weight, scales included.
double bits_per_weight(const BlockFormat& format);

// The weights of a row of any type that can be converted; false if one of them is infinite or not a number.
bool decode_row(const BlockFormat& format, const uint8_t* blocks, uint32_t n, float* x);

}  // namespace sluice
