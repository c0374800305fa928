// SPDX-License-Identifier: Apache-2.0
// What the machine, or the container around this process, can spare. The root of the file system is an argument, so
// that tests can describe machines that they do not run on.
#pragma once
#include <cstdint>
#include <string>

#include "runtime/plan/speed.h"

namespace sluice {

struct Machine {
  uint64_t available_bytes = 0;  // memory that can still be taken without pushing others out
  int n_threads = 1;
  double read_GB_s = 0;        // memory read bandwidth of those threads, 1e9 bytes/s; 0: not measured
  double disk_GB_s = 0;        // the same of direct reads of the model's file
  uint64_t reserve_bytes = 0;  // of what is available, left to others by a budget that nobody named
  bool cgroup_limits = false;  // a cgroup says what is available, not the whole machine
  double memory_pressure = 0;  // percent of the last ten seconds in which somebody here waited for memory
  Speed speed = {};            // of the model, as far as it was measured; then read_GB_s and disk_GB_s do not count
};

// What the kernel says of memory: MemAvailable, or what is left below the tightest memory limit of the cgroups (v2
// memory.max and memory.high, v1 memory.limit_in_bytes) this process belongs to; page cache that the cgroup may drop
// counts as free. UINT64_MAX where the system tells neither.
struct MemoryNow {
  uint64_t available_bytes = 0;
  bool cgroup_limits = false;
  double pressure = 0;  // "some avg10" of the machine or of the cgroups, the worst; 0 where it is not told
};
MemoryNow memory_now(const std::string& root);

// What is left to others: a tenth, at most 512 MiB; a quarter where memory is short already.
inline constexpr uint64_t kMostReserveBytes = uint64_t{512} << 20;
inline constexpr double kShortOfMemory = 10;  // percent of pressure
uint64_t reserve_of(const MemoryNow& now);

// n_threads 0: as many as compute well here.
Machine this_machine(int n_threads);

}  // namespace sluice
