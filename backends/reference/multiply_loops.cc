// SPDX-License-Identifier: Apache-2.0
// Chosen when OpenBLAS is not there.
#include "backends/reference/multiply.h"

namespace sluice::reference {

void multiply(const float* x, uint32_t x_stride, const float* w, uint32_t n, uint32_t m, uint32_t k, float* y) {
  multiply_plain(x, x_stride, w, n, m, k, y);
}

}  // namespace sluice::reference
