// SPDX-License-Identifier: Apache-2.0
// The one heavy operation of the reference backend.
#pragma once
#include <cstdint>

namespace sluice::reference {

// y[i][j] = x[i] · w[j] for i < n, j < m;  x [n][k] with x_stride, w [m][k], y [n][m]. Summed in double in the order of
// k, so a row's results do not depend on the rows beside it.
void multiply(const float* x, uint32_t x_stride, const float* w, uint32_t n, uint32_t m, uint32_t k, float* y);

}  // namespace sluice::reference
