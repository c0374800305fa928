// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_count.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <set>

#include "base/kernel_text.h"

namespace sluice {

namespace {

std::string first_line(const std::string& path) {
  const std::string text = kernel_text(path);
  return text.substr(0, text.find('\n'));
}

// quota / period as whole CPUs; 0 for "max", "-1" or anything unreadable.
int whole_cpus(const std::string& quota, const std::string& period) {
  const long long q = atoll(quota.c_str()), p = atoll(period.c_str());
  if (q <= 0 || p <= 0) return 0;
  return int(std::clamp(q / p, 1LL, 1LL << 20));
}

int tighter(int a, int b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

// The tightest limit of a cgroup and its parents; `read_limit(folder)` reads one level. Inside a container the path
// of /proc/self/cgroup may not exist below the mount: those levels read as "no limit" and the mount's root decides.
template <class ReadLimit>
int limit_upwards(const std::string& mount, std::string path, ReadLimit read_limit) {
  int limit = 0;
  for (;;) {
    limit = tighter(limit, read_limit(mount + path));
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return limit;
    path.resize(slash);
  }
}

int v2_limit(const std::string& folder) {
  const std::string line = first_line(folder + "/cpu.max");  // QUOTA PERIOD
  const size_t space = line.find(' ');
  return space == std::string::npos ? 0 : whole_cpus(line.substr(0, space), line.substr(space + 1));
}

int v1_limit(const std::string& folder) {
  return whole_cpus(first_line(folder + "/cpu.cfs_quota_us"), first_line(folder + "/cpu.cfs_period_us"));
}

bool lists_cpu(const std::string& controllers) {
  return ("," + controllers + ",").find(",cpu,") != std::string::npos;
}

}  // namespace

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
  for (int capacity = 1024; capacity <= 1 << 20; capacity *= 4) {  // the kernel's mask may be longer than ours
    cpu_set_t* set = CPU_ALLOC(capacity);
    if (set == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(capacity);
    const int rc = sched_getaffinity(0, bytes, set);
    const bool too_short = rc != 0 && errno == EINVAL;
    for (int i = 0; rc == 0 && i < capacity; ++i) {
      if (CPU_ISSET_S(i, bytes, set)) cpus.push_back(i);
    }
    CPU_FREE(set);
    if (!too_short) break;
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

int cgroup_cpu_limit(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  int limit = 0;
  const std::string groups = kernel_text(root + "/proc/self/cgroup");
  std::string_view rest = groups, entry;
  while (next_line(rest, entry)) {  // ID:CONTROLLERS:PATH
    const std::string line(entry);
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers.empty()) {
      limit = tighter(limit, limit_upwards(mount, path, v2_limit));
      limit = tighter(limit, limit_upwards(mount + "/unified", path, v2_limit));
    } else if (lists_cpu(controllers)) {
      limit = tighter(limit, limit_upwards(mount + "/" + controllers, path, v1_limit));
      limit = tighter(limit, limit_upwards(mount + "/cpu", path, v1_limit));
    }
  }
  return limit;
}

int physical_cores(const std::string& root, const std::vector<int>& cpus) {
  std::set<std::string> cores;
  for (int cpu : cpus) {
    const std::string name = std::to_string(cpu);
    const std::string siblings =
        first_line(root + "/sys/devices/system/cpu/cpu" + name + "/topology/thread_siblings_list");
    cores.insert(siblings.empty() ? "cpu " + name : siblings);
  }
  return std::max(1, int(cores.size()));
}

int usable_threads(const std::string& root, const std::vector<int>& cpus) {
  const int cores = cpus.size() <= 2 ? int(cpus.size()) : physical_cores(root, cpus);
  return std::max(1, tighter(cores, cgroup_cpu_limit(root)));
}

}  // namespace sluice
