// SPDX-License-Identifier: Apache-2.0
// Weights back to floats, row by row, as schema/FORMAT.md words it: slow and obvious, the oracle of all kernels.
#pragma once
#include "backends/backend.h"

namespace sluice::reference {

bool can_dequantize(const WeightFormat& format);

// Inputs [k_begin, k_end) of row `lane` of a strip of `lanes` rows.
void dequantize_row(const WeightFormat& format, const std::byte* strip, uint32_t lanes, uint32_t lane, uint32_t k_begin,
                    uint32_t k_end, float* w);

// Rows [first_row, first_row + n) of a matrix, inputs [k_begin, k_end), row-major into w [n][k_end - k_begin]. Rows
// beyond the matrix's last strip are zero.
void dequantize_rows(const Matrix& matrix, uint32_t first_row, uint32_t n, uint32_t k_begin, uint32_t k_end, float* w);

}  // namespace sluice::reference
