// SPDX-License-Identifier: Apache-2.0
// A file of its own: where a compiler sees both the replaced operators and their use, it warns of a mismatch.
#include "failing_allocation.h"

#include <cstdlib>
#include <new>

std::atomic<long> sluice::allocations_left{-1};

void* operator new(size_t bytes) {
  if (sluice::allocations_left >= 0 && sluice::allocations_left-- == 0) throw std::bad_alloc();
  if (void* p = malloc(bytes == 0 ? 1 : bytes)) return p;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  if (sluice::allocations_left >= 0 && sluice::allocations_left-- == 0) return nullptr;
  return malloc(bytes == 0 ? 1 : bytes);
}
void operator delete(void* p) noexcept { free(p); }
void operator delete(void* p, size_t) noexcept { free(p); }
