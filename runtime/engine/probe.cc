// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/probe.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kProbeSeconds = 0.4;
constexpr uint64_t kLargerThanCaches = uint64_t{256} << 20;

// Reads of one pass: each thread sums its share. The sums are kept so that no compiler leaves the reads out.
struct ReadPass {
  std::span<const std::byte> memory;
  int n_threads;
  uint64_t sums[256] = {};

  void work(int thread) {
    const size_t words = memory.size() / sizeof(uint64_t), share = words / size_t(n_threads) / 8 * 8;
    const auto* at = reinterpret_cast<const uint64_t*>(memory.data()) + share * size_t(thread);
    uint64_t lanes[8] = {};  // independent sums, so that reading and not adding is the limit
    for (size_t i = 0; i < share; i += 8)
      for (size_t lane = 0; lane < 8; ++lane) lanes[lane] += at[i + lane];
    for (uint64_t lane : lanes) sums[thread % 256] += lane;
  }
};

double read_rate(std::span<const std::byte> memory, ThreadPool& pool) {
  ReadPass pass{memory, pool.size()};
  double best = 0, spent = 0;
  while (spent < kProbeSeconds) {
    const auto start = Clock::now();
    pool.run([](void* arg, int thread) { static_cast<ReadPass*>(arg)->work(thread); }, &pass);
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, double(memory.size()) / seconds);
    spent += seconds;
  }
  return best / 1e9;
}

}  // namespace

Result<MachineProbe> probe_machine(Engine& engine) {
  MachineProbe probe;
  std::span<const std::byte> memory = engine.weights().bytes();
  Block large;
  if (memory.size() < kLargerThanCaches) {
    auto block = engine.accountant().allocate(MemoryKind::kOther, kLargerThanCaches);
    if (block.ok()) {
      large = std::move(*block);
      std::memset(large.data(), 1, large.size());  // pages of their own, not the shared zero page
      memory = large.as<std::byte>();
    }
  }
  probe.read_GB_s = read_rate(memory, engine.pool());
  SLUICE_TRY(probe.int8_GMAC_s, engine.product_rate(kProbeSeconds));
  return probe;
}

}  // namespace sluice
