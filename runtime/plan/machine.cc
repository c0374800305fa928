// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan/machine.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "base/kernel_text.h"
#include "base/thread_pool.h"

namespace sluice {
namespace {

constexpr uint64_t kNoLimit = ~uint64_t{0};

// "max", nonsense and the huge numbers by which v1 says "none" are no limit.
uint64_t number_in(const std::string& path) {
  const std::string text = kernel_text(path);
  if (text.empty() || text[0] < '0' || text[0] > '9') return kNoLimit;
  const uint64_t n = std::strtoull(text.c_str(), nullptr, 10);
  return n >= uint64_t(1) << 60 ? kNoLimit : n;
}

// The number after `key` at the beginning of a line; 0 without one.
uint64_t field_of(const std::string& text, std::string_view key) {
  std::string_view rest = text;
  for (std::string_view line; next_line(rest, line);)
    if (line.substr(0, key.size()) == key) return std::strtoull(line.data() + key.size(), nullptr, 10);
  return 0;
}

// "some avg10=1.53 avg60=…": 1.53. Read by hand: strtod follows the locale of the program around this library.
double pressure_in(const std::string& path) {
  const std::string text = kernel_text(path);
  constexpr std::string_view kKey = "some avg10=";
  if (text.compare(0, kKey.size(), kKey) != 0) return 0;
  double percent = 0, unit = 1;
  bool fraction = false;
  for (size_t i = kKey.size(); i < text.size() && (text[i] == '.' || (text[i] >= '0' && text[i] <= '9')); ++i) {
    if (text[i] == '.') {
      fraction = true;
      continue;
    }
    if (fraction) unit /= 10;
    percent = fraction ? percent + (text[i] - '0') * unit : percent * 10 + (text[i] - '0');
  }
  return std::min(percent, 100.0);
}

// The files of one version of cgroups.
struct Controller {
  const char* mount;
  const char* limits[2];
  const char* usage;
  const char* cache_key;
};
constexpr Controller kV2 = {"/sys/fs/cgroup", {"memory.max", "memory.high"}, "memory.current", "inactive_file "};
constexpr Controller kV1 = {
    "/sys/fs/cgroup/memory", {"memory.limit_in_bytes", nullptr}, "memory.usage_in_bytes", "total_inactive_file "};

// What the cgroup `folder` has left; its ancestors may be tighter, so the walk goes up to the mount.
void look_at_group(const std::string& root, const Controller& files, std::string folder, MemoryNow& now) {
  for (;;) {
    const std::string at = root + files.mount + folder + "/";
    uint64_t limit = kNoLimit;
    for (const char* file : files.limits) limit = file ? std::min(limit, number_in(at + file)) : limit;
    if (limit != kNoLimit) {
      const uint64_t used = number_in(at + files.usage);
      const uint64_t cache = field_of(kernel_text(at + "memory.stat"), files.cache_key);
      const uint64_t held = used == kNoLimit ? 0 : used - std::min(used, cache);
      const uint64_t left = limit - std::min(limit, held);
      if (left < now.available_bytes) now.available_bytes = left, now.cgroup_limits = true;
      now.pressure = std::max(now.pressure, pressure_in(at + "memory.pressure"));
    }
    const size_t slash = folder.rfind('/');
    if (slash == std::string::npos) return;
    folder.resize(slash);
  }
}

}  // namespace

MemoryNow memory_now(const std::string& root) {
  MemoryNow now;
  now.available_bytes = field_of(kernel_text(root + "/proc/meminfo"), "MemAvailable:") * 1024;
  if (now.available_bytes == 0) now.available_bytes = kNoLimit;
  now.pressure = pressure_in(root + "/proc/pressure/memory");
  const std::string groups = kernel_text(root + "/proc/self/cgroup");
  std::string_view rest = groups;
  for (std::string_view line; next_line(rest, line);) {  // "0::/path" (v2), "4:memory:/path" (v1)
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string controllers = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    std::string folder(line.substr(second + 1));
    if (folder == "/") folder.clear();
    if (controllers == ",,")
      look_at_group(root, kV2, folder, now);
    else if (controllers.find(",memory,") != std::string::npos)
      look_at_group(root, kV1, folder, now);
  }
  return now;
}

uint64_t reserve_of(const MemoryNow& now) {
  if (now.pressure >= kShortOfMemory) return now.available_bytes / 4;
  return std::min(now.available_bytes / 10, kMostReserveBytes);
}

Machine this_machine(int n_threads) {
  MemoryNow now = memory_now("");
  if (now.available_bytes == kNoLimit)
    now.available_bytes = uint64_t(std::max(sysconf(_SC_PHYS_PAGES), 0L)) * uint64_t(sysconf(_SC_PAGESIZE));
  Machine machine;
  machine.available_bytes = now.available_bytes, machine.reserve_bytes = reserve_of(now);
  machine.cgroup_limits = now.cgroup_limits, machine.memory_pressure = now.pressure;
  machine.n_threads = n_threads > 0 ? n_threads : default_thread_count();
  return machine;
}

}  // namespace sluice
