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

// What a cgroup at `folder` has left; its ancestors may be tighter, so the walk goes up to `top`.
uint64_t left_below(const std::string& top, std::string folder, const char* limit_file, const char* usage_file,
                    const char* cache_key) {
  uint64_t left = kNoLimit;
  for (;;) {
    const std::string at = top + folder + "/";
    const uint64_t limit = number_in(at + limit_file);
    if (limit != kNoLimit) {
      const uint64_t used = number_in(at + usage_file);
      const uint64_t cache = field_of(kernel_text(at + "memory.stat"), cache_key);
      const uint64_t held = used == kNoLimit ? 0 : used - std::min(used, cache);
      left = std::min(left, limit - std::min(limit, held));
    }
    const size_t slash = folder.rfind('/');
    if (slash == std::string::npos) return left;
    folder.resize(slash);
  }
}

}  // namespace

uint64_t available_memory(const std::string& root) {
  uint64_t available = field_of(kernel_text(root + "/proc/meminfo"), "MemAvailable:") * 1024;
  if (available == 0) available = kNoLimit;
  const std::string groups = kernel_text(root + "/proc/self/cgroup");
  std::string_view rest = groups;
  for (std::string_view line; next_line(rest, line);) {  // "0::/path" (v2), "4:memory:/path" (v1)
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string controllers = "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    std::string folder(line.substr(second + 1));
    if (folder == "/") folder.clear();
    if (controllers == ",,")
      available = std::min(available, left_below(root + "/sys/fs/cgroup", folder, "memory.max", "memory.current",
                                                 "inactive_file "));
    else if (controllers.find(",memory,") != std::string::npos)
      available = std::min(available, left_below(root + "/sys/fs/cgroup/memory", folder, "memory.limit_in_bytes",
                                                 "memory.usage_in_bytes", "total_inactive_file "));
  }
  return available;
}

Machine this_machine(int n_threads) {
  Machine machine;
  machine.available_bytes = available_memory("");
  if (machine.available_bytes == kNoLimit)
    machine.available_bytes = uint64_t(std::max(sysconf(_SC_PHYS_PAGES), 0L)) * uint64_t(sysconf(_SC_PAGESIZE));
  machine.n_threads = n_threads > 0 ? n_threads : default_thread_count();
  return machine;
}

}  // namespace sluice
