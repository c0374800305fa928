// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan/machine.h"

#include <filesystem>
#include <fstream>

#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice {
namespace {

void put(const TemporaryFolder& root, const std::string& path, const std::string& text) {
  const std::filesystem::path at = root / path;
  std::filesystem::create_directories(at.parent_path());
  std::ofstream(at) << text;
}

constexpr const char* kMemInfo = "MemTotal:       8000000 kB\nMemFree:  1 kB\nMemAvailable:    6000000 kB\n";

}  // namespace

TEST_CASE("without a limit the machine spares what the kernel calls available", "[runtime][machine]") {
  TemporaryFolder root;
  put(root, "proc/meminfo", kMemInfo);
  CHECK(available_memory(root.path()) == uint64_t{6000000} * 1024);
}

TEST_CASE("a version 2 cgroup spares its limit less what is held, cache excepted", "[runtime][machine]") {
  TemporaryFolder root;
  put(root, "proc/meminfo", kMemInfo);
  put(root, "proc/self/cgroup", "0::/a/b\n");
  put(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
  put(root, "sys/fs/cgroup/a/memory.max", "536870912\n");
  put(root, "sys/fs/cgroup/a/memory.current", "100000000\n");
  put(root, "sys/fs/cgroup/a/memory.stat", "anon 1\nactive_file 5\ninactive_file 40000000\n");
  CHECK(available_memory(root.path()) == 536870912 - 60000000);
}

TEST_CASE("a version 1 cgroup's limit counts, its word for none does not", "[runtime][machine]") {
  TemporaryFolder root;
  put(root, "proc/meminfo", kMemInfo);
  put(root, "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1\n");
  put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put(root, "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "1000000\n");
  put(root, "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "2000000\n");
  CHECK(available_memory(root.path()) == 0);  // already above it
  put(root, "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "250000\n");
  CHECK(available_memory(root.path()) == 750000);
}

TEST_CASE("this machine has memory and threads", "[runtime][machine]") {
  const Machine machine = this_machine(0);
  CHECK(machine.available_bytes > 0);
  CHECK(machine.n_threads >= 1);
  CHECK(this_machine(3).n_threads == 3);
}

}  // namespace sluice
