// SPDX-License-Identifier: Apache-2.0
#include "disk_probe.h"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace sluice {

namespace {
constexpr size_t kBlock = 4 << 20;
constexpr uint64_t kMostBytes = 256 << 20;
constexpr double kMostSeconds = 0.5;
}  // namespace

double probe_disk_GB_s(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  const std::unique_ptr<void, decltype(&free)> buffer(aligned_alloc(4096, kBlock), free);
  if (fd < 0) return 0;
  uint64_t bytes = 0;
  double seconds = 0;
  const auto begin = std::chrono::steady_clock::now();
  while (buffer && bytes < kMostBytes && seconds < kMostSeconds) {
    const ssize_t n = pread(fd, buffer.get(), kBlock, off_t(bytes));
    if (n <= 0) break;
    bytes += uint64_t(n);
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (size_t(n) < kBlock) break;
  }
  close(fd);
  return seconds > 0 ? double(bytes) / seconds / 1e9 : 0;
}

}  // namespace sluice
