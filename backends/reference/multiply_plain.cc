// SPDX-License-Identifier: Apache-2.0
#include <cstddef>

#include "backends/reference/multiply.h"

namespace sluice::reference {

void multiply_plain(const float* x, uint32_t x_stride, const float* w, uint32_t n, uint32_t m, uint32_t k, float* y) {
  for (uint32_t i = 0; i < n; ++i)
    for (uint32_t j = 0; j < m; ++j) {
      const float *a = x + size_t(i) * x_stride, *b = w + size_t(j) * k;
      double sum = 0;
      for (uint32_t p = 0; p < k; ++p) sum += double(a[p]) * double(b[p]);
      y[size_t(i) * m + j] = float(sum);
    }
}

}  // namespace sluice::reference
