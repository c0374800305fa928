// SPDX-License-Identifier: Apache-2.0
// Chosen when OpenBLAS is there: many rows by sgemm, few by the loops. Our own threads call it, so it gets one each.
#include <cblas.h>

#include "backends/reference/multiply.h"

namespace sluice::reference {

void multiply(const float* x, uint32_t x_stride, const float* w, uint32_t n, uint32_t m, uint32_t k, float* y) {
  constexpr uint32_t kFewRows = 8;
  if (n < kFewRows) return multiply_plain(x, x_stride, w, n, m, k, y);
  static const bool one_thread = (openblas_set_num_threads(1), true);
  (void)one_thread;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, int(n), int(m), int(k), 1.0f, x, int(x_stride), w, int(k), 0.0f,
              y, int(m));
}

}  // namespace sluice::reference
