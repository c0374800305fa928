// SPDX-License-Identifier: Apache-2.0
// Single codes and scales of a block, and whole rows, in the obvious slow way: FORMAT.md's tile as code. The oracle for
// every faster reader and writer of blocks. `lanes` is 16 in a tiled matrix and 1 in a row-major table; `block` is the
// first byte of the block; `k` the input inside the block. Formats must have passed check_format().
#pragma once
#include <cstddef>
#include <cstdint>

#include "schema/layout.h"

namespace sluice {

// Codes as stored, before zero point and table; 8-bit codes as their two's complement; floats as their bits.
uint32_t get_code(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t k);
void put_code(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t k, uint32_t code);

// f16 bits, or the exponent byte of kind E8M0. `group`: 0 for the Super kinds. m: the minimum, or dmin.
uint16_t get_d(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t group);
void put_d(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t group, uint16_t d);
uint16_t get_m(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t group);
void put_m(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t group, uint16_t m);

// Scales and minima of the sub-blocks (groups) of the Super kinds: 0…63 for Super6Min, 0…15 for Super4Min, -32…31 for
// Super6, int8 for Super8.
int get_sc(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t sub);
void put_sc(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t sub, int sc);
int get_mn(const FormatSpec& spec, uint32_t lanes, const std::byte* block, uint32_t lane, uint32_t sub);
void put_mn(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, uint32_t sub, int mn);

// A block of padding: codes = zero point, all else zero bytes.
void clear_block(const FormatSpec& spec, uint32_t lanes, std::byte* block);

// The first `cols` weights of row `lane` of a strip, in the float32 arithmetic of FORMAT.md.
void dequantize_row(const FormatSpec& spec, uint32_t cols, uint32_t lanes, uint32_t lane, const std::byte* strip,
                    float* out);

}  // namespace sluice
