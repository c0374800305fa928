// SPDX-License-Identifier: Apache-2.0
// The ISA paths built into this program that this CPU can run, best last. One isa_<architecture>.cc defines it.
#pragma once
#include <string_view>
#include <vector>

#include "backends/cpu/kernels.h"

namespace sluice::cpu {

std::vector<const Kernels*> usable_isas();
const Kernels* find_isa(std::string_view name);  // null if it is not among them

}  // namespace sluice::cpu
