// SPDX-License-Identifier: Apache-2.0
// Architectures without a vector path.
#include "backends/cpu/isa_list.h"

namespace sluice::cpu {
std::vector<const Kernels*> usable_isas() { return {&scalar_kernels}; }
}  // namespace sluice::cpu
