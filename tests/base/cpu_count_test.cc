// SPDX-License-Identifier: Apache-2.0
// Machines described as folders.
#include "base/cpu_count.h"

#include <filesystem>
#include <fstream>

#include "base/thread_pool.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice {

namespace {

struct Machine {
  TemporaryFolder folder;
  const std::string& root() const { return folder.path(); }
  void put(const std::string& path, const std::string& text) const {
    const std::filesystem::path full = root() + path;
    std::filesystem::create_directories(full.parent_path());
    std::ofstream(full) << text;
  }
  // CPUs 2i and 2i + 1 are the two threads of core i.
  void with_pairs(int n_cpus) const {
    for (int c = 0; c < n_cpus; ++c) {
      put("/sys/devices/system/cpu/cpu" + std::to_string(c) + "/topology/thread_siblings_list",
          std::to_string(c / 2 * 2) + "-" + std::to_string(c / 2 * 2 + 1) + "\n");
    }
  }
};

}  // namespace

TEST_CASE("hyperthreads of one core count once, unless there are only two CPUs") {
  Machine m;
  m.with_pairs(8);
  CHECK(physical_cores(m.root(), {0, 1, 2, 3, 4, 5, 6, 7}) == 4);
  CHECK(usable_threads(m.root(), {0, 1, 2, 3, 4, 5, 6, 7}) == 4);
  CHECK(usable_threads(m.root(), {0, 2, 4}) == 3);
  CHECK(usable_threads(m.root(), {0, 1, 2}) == 2);
  CHECK(usable_threads(m.root(), {0, 1}) == 2);
  CHECK(usable_threads(m.root(), {5}) == 1);
}

TEST_CASE("where the system says nothing every CPU is a core") {
  Machine m;
  CHECK(usable_threads(m.root(), {0, 1, 2, 3}) == 4);
  CHECK(cgroup_cpu_limit(m.root()) == 0);
}

TEST_CASE("the tightest cpu.max of a cgroup and its parents counts, rounded down to at least one") {
  Machine m;
  m.with_pairs(16);
  m.put("/proc/self/cgroup", "0::/a/b\n");
  m.put("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  CHECK(cgroup_cpu_limit(m.root()) == 0);
  m.put("/sys/fs/cgroup/a/cpu.max", "350000 100000\n");
  CHECK(cgroup_cpu_limit(m.root()) == 3);
  m.put("/sys/fs/cgroup/a/b/cpu.max", "50000 100000\n");
  CHECK(cgroup_cpu_limit(m.root()) == 1);
  CHECK(usable_threads(m.root(), {0, 2, 4, 6}) == 1);
}

TEST_CASE("in a container the limit stands at the root of the mount") {
  Machine m;
  m.put("/proc/self/cgroup", "0::/docker/0123456789ab\n");
  m.put("/sys/fs/cgroup/cpu.max", "200000 100000\n");
  CHECK(cgroup_cpu_limit(m.root()) == 2);
}

TEST_CASE("version 1 quotas are read from the hierarchy of the cpu controller") {
  Machine m;
  m.put("/proc/self/cgroup", "5:memory:/x\n4:cpu,cpuacct:/x\n3:cpuset:/x\n");
  m.put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
  m.put("/sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_cpu_limit(m.root()) == 0);
  m.put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "600000\n");
  m.put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_cpu_limit(m.root()) == 6);
}

TEST_CASE("nonsense in the system's files is no limit") {
  Machine m;
  m.put("/proc/self/cgroup", "\n::\n0::\nx\n");
  m.put("/sys/fs/cgroup/cpu.max", "many many\n");
  CHECK(cgroup_cpu_limit(m.root()) == 0);
  m.put("/sys/fs/cgroup/cpu.max", "99999999999999999999999 1\n");
  CHECK(cgroup_cpu_limit(m.root()) >= 0);
}

TEST_CASE("this machine allows at least one thread and no more than it has CPUs") {
  CHECK(default_thread_count() >= 1);
  CHECK(default_thread_count() <= int(allowed_cpus().size()));
}

}  // namespace sluice
