// SPDX-License-Identifier: Apache-2.0
// A valid .slm file of any shape with random weights and no source, strip by strip in constant memory: what a model of
// 70B costs a disk and a budget can be measured without having one.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"
#include "bench/synthetic/shape.h"

namespace sluice {

struct SyntheticReport {
  uint64_t file_bytes = 0, n_parameters = 0;
};

// The same shape (its seed included) gives the same file, byte for byte. Whole or not at all. `progress` gets bytes of
// weights; false cancels (kCancelled).
Result<SyntheticReport> write_synthetic(const SyntheticShape& shape, const std::string& path,
                                        const std::function<bool(uint64_t done, uint64_t total)>& progress = {});

}  // namespace sluice
