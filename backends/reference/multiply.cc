// SPDX-License-Identifier: Apache-2.0
#include "backends/reference/multiply.h"

#include <cstddef>

namespace sluice::reference {

namespace {

// kRows x kCols sums side by side, so that what is loaded and widened serves several of them.
template <int kRows, int kCols>
void multiply_block(const float* x, size_t x_stride, const float* w, uint32_t m, uint32_t k, float* y) {
  double sum[kRows][kCols] = {};
  for (uint32_t p = 0; p < k; ++p)
    for (int i = 0; i < kRows; ++i)
      for (int j = 0; j < kCols; ++j) sum[i][j] += double(x[i * x_stride + p]) * double(w[j * size_t(k) + p]);
  for (int i = 0; i < kRows; ++i)
    for (int j = 0; j < kCols; ++j) y[i * size_t(m) + j] = float(sum[i][j]);
}

template <int kRows>
void multiply_rows(const float* x, size_t x_stride, const float* w, uint32_t m, uint32_t k, float* y) {
  uint32_t j = 0;
  for (; j + 4 <= m; j += 4) multiply_block<kRows, 4>(x, x_stride, w + size_t(j) * k, m, k, y + j);
  for (; j < m; ++j) multiply_block<kRows, 1>(x, x_stride, w + size_t(j) * k, m, k, y + j);
}

}  // namespace

void multiply(const float* x, uint32_t x_stride, const float* w, uint32_t n, uint32_t m, uint32_t k, float* y) {
  uint32_t i = 0;
  for (; i + 4 <= n; i += 4) multiply_rows<4>(x + size_t(i) * x_stride, x_stride, w, m, k, y + size_t(i) * m);
  for (; i < n; ++i) multiply_rows<1>(x + size_t(i) * x_stride, x_stride, w, m, k, y + size_t(i) * m);
}

}  // namespace sluice::reference
