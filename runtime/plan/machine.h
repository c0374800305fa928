// SPDX-License-Identifier: Apache-2.0
// What the machine, or the container around this process, can spare. The root of the file system is an argument, so
// that tests can describe machines that they do not run on.
#pragma once
#include <cstdint>
#include <string>

namespace sluice {

struct Machine {
  uint64_t available_bytes = 0;  // memory that can still be taken without pushing others out
  int n_threads = 1;
  double read_GB_s = 0;  // memory read bandwidth of those threads, 1e9 bytes/s; 0: not measured
  double disk_GB_s = 0;  // the same of direct reads of the model's file
};

// MemAvailable, or what is left below the tightest memory limit of the cgroups (v2 memory.max, v1
// memory.limit_in_bytes) this process belongs to; page cache that the cgroup may drop counts as free.
// UINT64_MAX where the system tells neither.
uint64_t available_memory(const std::string& root);

// n_threads 0: as many as compute well here.
Machine this_machine(int n_threads);

}  // namespace sluice
