// SPDX-License-Identifier: Apache-2.0
// The largest single heap allocation since the last watch_allocations(), so that a number from a file cannot ask for a
// big one unnoticed. Linking allocation_watch.cc replaces the program's operator new.
#pragma once
#include <cstddef>

namespace sluice {
void watch_allocations();
size_t largest_allocation();
}  // namespace sluice
