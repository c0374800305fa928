// SPDX-License-Identifier: Apache-2.0
// The allocation that fails: counted down by every operator new of the program; -1: none does. Linking
// failing_allocation.cc replaces operator new.
#pragma once
#include <atomic>

namespace sluice {
extern std::atomic<long> allocations_left;
}  // namespace sluice
