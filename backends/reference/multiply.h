// SPDX-License-Identifier: Apache-2.0
// The one heavy operation of the reference backend. multiply_loops.cc is the plain version, multiply_blas.cc uses
// OpenBLAS for many rows when CMake found it.
#pragma once
#include <cstdint>

namespace sluice::reference {

// y[i][j] = x[i] · w[j] for i < n, j < m;  x [n][k] with x_stride, w [m][k], y [n][m].
void multiply(const float* x, uint32_t x_stride, const float* w, uint32_t n, uint32_t m, uint32_t k, float* y);

// The plain loops, summed in double.
void multiply_plain(const float* x, uint32_t x_stride, const float* w, uint32_t n, uint32_t m, uint32_t k, float* y);

}  // namespace sluice::reference
