// SPDX-License-Identifier: Apache-2.0
#include "disk_probe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <thread>

namespace sluice {

namespace {

constexpr size_t kBlock = 2 << 20;
constexpr uint64_t kMostBytes = 256 << 20;
constexpr double kMostSeconds = 0.5;

struct Probe {
  int fd = -1;
  uint64_t end = 0;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now();
  std::atomic<uint64_t> next{0}, bytes{0};

  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); }
  void read() {
    const std::unique_ptr<void, decltype(&free)> buffer(aligned_alloc(4096, kBlock), free);
    while (buffer && seconds() < kMostSeconds) {
      const uint64_t at = next.fetch_add(kBlock);
      if (at + kBlock > end) return;
      const ssize_t n = pread(fd, buffer.get(), kBlock, off_t(at));
      if (n <= 0) return;
      bytes += uint64_t(n);
    }
  }
};

}  // namespace

double probe_disk_GB_s(const std::string& path) {
  Probe probe;
  struct stat info;
  probe.fd = open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
  if (probe.fd < 0) return 0;
  probe.end = fstat(probe.fd, &info) == 0 ? std::min<uint64_t>(uint64_t(info.st_size), kMostBytes) : 0;
  try {
    std::thread second([&] { probe.read(); });
    probe.read();
    second.join();
  } catch (const std::system_error&) {  // no second thread
    probe.read();
  }
  const double seconds = probe.seconds();
  close(probe.fd);
  return seconds > 0 ? double(probe.bytes) / seconds / 1e9 : 0;
}

}  // namespace sluice
