// SPDX-License-Identifier: Apache-2.0
// What the machine can do at most with the threads of a pool: the two limits that speeds are compared with.
#pragma once
#include <cstddef>
#include <span>

#include "base/thread_pool.h"

namespace sluice {

struct Probe {
  double read_GB_s = 0;    // 1e9 bytes read per second, all threads together
  double int8_GMAC_s = 0;  // 1e9 multiply-accumulates per second from registers and the first cache
};

// Takes about half a second. `memory` should be much larger than the caches and touched before; it is only read.
Probe probe_pool(ThreadPool& pool, std::span<const std::byte> memory);

}  // namespace sluice
