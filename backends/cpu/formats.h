// SPDX-License-Identifier: Apache-2.0
// From the field-by-field WeightFormat of the seam to the kernels' closed list.
#pragma once
#include <optional>
#include <string>

#include "backends/backend.h"
#include "backends/cpu/kernels.h"

namespace sluice::cpu {

// Empty when these kernels cannot compute the format.
std::optional<FormatId> format_id(const WeightFormat& format);
inline bool is_float(FormatId id) { return int(id) >= kIntFormats; }

}  // namespace sluice::cpu
