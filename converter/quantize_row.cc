// SPDX-License-Identifier: Apache-2.0
// The way from a row of the source to numbers that an encoder takes.
#include <cmath>

#include "converter/quantize.h"
#include "converter/source_weights.h"

namespace sluice {

double bits_per_weight(const BlockFormat& format) { return 8.0 * format.bytes / format.inputs; }

bool decode_row(const BlockFormat& format, const uint8_t* blocks, uint32_t n, float* x) {
  if (format.unpack) {
    for (uint32_t i = 0; i < n; ++i) x[i] = source_weight(format, blocks, i);
  } else {
    widen_numbers(format, blocks, n, x);
  }
  for (uint32_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return false;
  }
  return true;
}

}  // namespace sluice
