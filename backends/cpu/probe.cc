// SPDX-License-Identifier: Apache-2.0
#include "backends/probe.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "backends/cpu/isa_list.h"

namespace sluice {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kTime = std::chrono::milliseconds(250);
constexpr uint32_t kRounds = 20000, kMacPerRound = 8 * 8 * 64;

struct Work {
  const cpu::Kernels* kernels;
  std::span<const std::byte> memory;
  int n_threads;
  std::atomic<uint64_t> result{0};  // so that the work cannot be left out

  void read(int thread) {
    const size_t share = memory.size() / size_t(n_threads) / 64 * 64;
    result += kernels->read_bytes(reinterpret_cast<const uint8_t*>(memory.data()) + share * size_t(thread), share);
  }
  void multiply(int) {
    alignas(64) uint8_t lines[512];
    alignas(64) int8_t q[256];
    for (int i = 0; i < 512; ++i) lines[i] = uint8_t(i % 16);
    for (int i = 0; i < 256; ++i) q[i] = int8_t(i % 3 - 1);
    result += uint32_t(kernels->multiply_int8(lines, q, kRounds));
  }
};

// The best of as many runs as fit the time: what the machine can do, not what else it was doing.
template <void (Work::*kPart)(int)>
double best_seconds(ThreadPool& pool, Work& work, std::chrono::milliseconds time = kTime) {
  double best = 1e9;
  for (const auto end = Clock::now() + time; Clock::now() < end;) {
    const auto start = Clock::now();
    pool.run([](void* arg, int thread) { (static_cast<Work*>(arg)->*kPart)(thread); }, &work);
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace

Probe probe_pool(std::string_view isa, ThreadPool& pool, std::span<const std::byte> memory) {
  Probe probe;
  Work work{cpu::find_isa(isa), memory, pool.size()};
  if (!work.kernels) return probe;
  probe.isa = work.kernels->name;
  probe.read_GB_s = double(memory.size()) / best_seconds<&Work::read>(pool, work) / 1e9;
  probe.int8_GMAC_s = double(kRounds) * kMacPerRound * pool.size() / best_seconds<&Work::multiply>(pool, work) / 1e9;
  return probe;
}

double probe_read_GB_s(ThreadPool& pool, std::span<const std::byte> memory, std::chrono::milliseconds time) {
  Work work{cpu::usable_isas().back(), memory, pool.size()};
  return double(memory.size()) / best_seconds<&Work::read>(pool, work, time) / 1e9;
}

}  // namespace sluice
