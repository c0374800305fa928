// SPDX-License-Identifier: Apache-2.0
// What the machine can do at most with the threads of a pool and one instruction set of the cpu backend: the two limits
// that speeds are compared with.
#pragma once
#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/thread_pool.h"

namespace sluice {

struct Probe {
  std::string isa;         // whose instructions were used
  double read_GB_s = 0;    // 1e9 bytes read per second, all threads together
  double int8_GMAC_s = 0;  // 1e9 multiply-accumulates per second from registers and the first cache
};

// isa: one of cpu_isas(); of any other nothing is measured. Takes about half a second, longer where `isa` is slow.
// `memory` should be much larger than the caches and touched before; it is only read.
Probe probe_pool(std::string_view isa, ThreadPool& pool, std::span<const std::byte> memory);

// read_GB_s alone, with the best instructions of this CPU: the best of as many runs as fit `time`.
double probe_read_GB_s(ThreadPool& pool, std::span<const std::byte> memory, std::chrono::milliseconds time);

}  // namespace sluice
