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
  CHECK(memory_now(root.path()).available_bytes == uint64_t{6000000} * 1024);
}

TEST_CASE("a version 2 cgroup spares its limit less what is held, cache excepted", "[runtime][machine]") {
  TemporaryFolder root;
  put(root, "proc/meminfo", kMemInfo);
  put(root, "proc/self/cgroup", "0::/a/b\n");
  put(root, "sys/fs/cgroup/a/b/memory.max", "max\n");
  put(root, "sys/fs/cgroup/a/memory.max", "536870912\n");
  put(root, "sys/fs/cgroup/a/memory.current", "100000000\n");
  put(root, "sys/fs/cgroup/a/memory.stat", "anon 1\nactive_file 5\ninactive_file 40000000\n");
  CHECK(memory_now(root.path()).available_bytes == 536870912 - 60000000);
}

TEST_CASE("a version 1 cgroup's limit counts, its word for none does not", "[runtime][machine]") {
  TemporaryFolder root;
  put(root, "proc/meminfo", kMemInfo);
  put(root, "proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1\n");
  put(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put(root, "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "1000000\n");
  put(root, "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "2000000\n");
  CHECK(memory_now(root.path()).available_bytes == 0);  // already above it
  put(root, "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "250000\n");
  CHECK(memory_now(root.path()).available_bytes == 750000);
}

TEST_CASE("whoever limits is named, and a group that is throttled before its limit has only that much",
          "[runtime][machine]") {
  TemporaryFolder root;
  put(root, "proc/meminfo", kMemInfo);
  CHECK(!memory_now(root.path()).cgroup_limits);
  put(root, "proc/self/cgroup", "0::/a\n");
  put(root, "sys/fs/cgroup/a/memory.max", "9000000000\n");  // more than the machine has
  put(root, "sys/fs/cgroup/a/memory.current", "0\n");
  CHECK(!memory_now(root.path()).cgroup_limits);
  CHECK(memory_now(root.path()).available_bytes == uint64_t{6000000} * 1024);
  put(root, "sys/fs/cgroup/a/memory.high", "4000000\n");
  CHECK(memory_now(root.path()).cgroup_limits);
  CHECK(memory_now(root.path()).available_bytes == 4000000);
  put(root, "sys/fs/cgroup/a/memory.high", "max\n");
  CHECK(!memory_now(root.path()).cgroup_limits);
  put(root, "sys/fs/cgroup/memory.max", "5000000\n");  // the mount's own group
  CHECK(memory_now(root.path()).available_bytes == 5000000);
}

TEST_CASE("a machine that tells nothing has no limit, no reserve of its own and no pressure", "[runtime][machine]") {
  TemporaryFolder root;
  const MemoryNow now = memory_now(root.path());
  CHECK(now.available_bytes == ~uint64_t{0});
  CHECK(!now.cgroup_limits);
  CHECK(now.pressure == 0);
}

TEST_CASE("pressure is the worst of the machine's and that of the groups that limit", "[runtime][machine]") {
  TemporaryFolder root;
  put(root, "proc/meminfo", kMemInfo);
  const auto pressure = [&] { return memory_now(root.path()).pressure; };
  put(root, "proc/pressure/memory", "some avg10=12.34 avg60=0.05 avg300=0.01 total=1\nfull avg10=99.00 total=2\n");
  CHECK(pressure() == Approx(12.34));
  put(root, "proc/self/cgroup", "0::/a\n");
  put(root, "sys/fs/cgroup/a/memory.pressure", "some avg10=40.5 avg60=1 avg300=1 total=1\n");
  CHECK(pressure() == Approx(12.34));  // nothing limits this group
  put(root, "sys/fs/cgroup/a/memory.max", "4000000\n");
  CHECK(pressure() == Approx(40.5));
  for (const char* nonsense : {"", "some", "some avg10=", "some avg10=x", "full avg10=50.00\n"}) {
    put(root, "proc/pressure/memory", nonsense);
    put(root, "sys/fs/cgroup/a/memory.pressure", nonsense);
    CHECK(pressure() == 0);
  }
  put(root, "proc/pressure/memory", "some avg10=" + std::string(400, '9'));
  CHECK(pressure() == 100);
}

TEST_CASE("others are left a tenth, at most half a GiB, and a quarter where memory is short", "[runtime][machine]") {
  CHECK(reserve_of({100 << 20, false, 0}) == 10 << 20);
  CHECK(reserve_of({uint64_t{64} << 30, false, 0}) == kMostReserveBytes);
  CHECK(reserve_of({uint64_t{64} << 30, false, kShortOfMemory - 0.01}) == kMostReserveBytes);
  CHECK(reserve_of({uint64_t{64} << 30, true, kShortOfMemory}) == uint64_t{16} << 30);
  CHECK(reserve_of({0, true, 100}) == 0);
}

TEST_CASE("this machine has memory and threads", "[runtime][machine]") {
  const Machine machine = this_machine(0);
  CHECK(machine.available_bytes > 0);
  CHECK(machine.reserve_bytes < machine.available_bytes);
  CHECK(machine.n_threads >= 1);
  CHECK(this_machine(3).n_threads == 3);
}

}  // namespace sluice
