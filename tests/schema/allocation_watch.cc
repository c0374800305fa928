// SPDX-License-Identifier: Apache-2.0
#include "allocation_watch.h"

#include <atomic>
#include <cstdlib>
#include <new>

static std::atomic<size_t> largest{0};

void* operator new(size_t bytes) {
  size_t before = largest.load(std::memory_order_relaxed);
  while (bytes > before && !largest.compare_exchange_weak(before, bytes)) {
  }
  if (void* p = malloc(bytes == 0 ? 1 : bytes)) return p;
  throw std::bad_alloc();
}
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return malloc(bytes == 0 ? 1 : bytes); }
void operator delete(void* p) noexcept { free(p); }
void operator delete(void* p, size_t) noexcept { free(p); }

namespace sluice {
void watch_allocations() { largest = 0; }
size_t largest_allocation() { return largest; }
}  // namespace sluice
