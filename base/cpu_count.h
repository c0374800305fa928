// SPDX-License-Identifier: Apache-2.0
// How many threads this process may keep busy: affinity, cgroup quota and physical cores. The root of the file system
// is an argument, so that tests can describe machines that they do not run on.
#pragma once
#include <string>
#include <vector>

namespace sluice {

// Logical CPUs this process may run on; never empty.
std::vector<int> allowed_cpus();

// CPUs' worth of time that the cgroups (v2 cpu.max, v1 cpu.cfs_quota_us) of this process allow, rounded down but at
// least 1; 0: no limit.
int cgroup_cpu_limit(const std::string& root);

// Distinct physical cores among `cpus` (each CPU counts as a core where /sys does not say).
int physical_cores(const std::string& root, const std::vector<int>& cpus);

// One thread per physical core within the quota. With one or two logical CPUs all of them: there the second
// hyperthread is the only help there is.
int usable_threads(const std::string& root, const std::vector<int>& cpus);

}  // namespace sluice
