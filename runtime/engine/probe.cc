// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/probe.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace sluice {
namespace {

constexpr uint64_t kLargerThanCaches = uint64_t{256} << 20;

}  // namespace

Result<double> measure_read_GB_s(int n_threads, uint64_t available_bytes) {
  using Clock = std::chrono::steady_clock;
  constexpr uint64_t kLeastBytes = 16 << 20, kEnoughBytes = 128 << 20, kStep = 4 << 20;
  constexpr std::chrono::milliseconds kTouchTime{40}, kReadTime{60};
  const uint64_t most_bytes = std::min(kLargerThanCaches, available_bytes / 4);
  if (most_bytes < kLeastBytes)
    return make_error(Code::kNoMemory, "", kNoOffset, "too little memory is free to measure how fast it is read");
  SLUICE_TRY(const std::unique_ptr<ThreadPool> pool, ThreadPool::create(n_threads));
  Accountant accountant(0);
  SLUICE_TRY(const Block block, accountant.allocate(MemoryKind::kOther, most_bytes));
  // Pages of its own, not the shared zero page. A machine that is slow to give them has no caches of this size.
  uint64_t bytes = 0;
  const auto end = Clock::now() + kTouchTime;
  while (bytes < most_bytes && (bytes < kEnoughBytes || Clock::now() < end)) {
    const uint64_t n = std::min(kStep, most_bytes - bytes);
    std::memset(block.data() + bytes, 1, n);
    bytes += n;
  }
  return probe_read_GB_s(*pool, std::span(block.data(), bytes), kReadTime);
}

Probe probe_engine(Engine& engine) {
  std::span<const std::byte> memory = engine.weights().longest_run();
  Block large;
  if (memory.size() < kLargerThanCaches) {
    if (auto block = engine.accountant().allocate(MemoryKind::kOther, kLargerThanCaches); block.ok()) {
      large = std::move(*block);
      std::memset(large.data(), 1, large.size());  // pages of its own, not the shared zero page
      memory = large.as<std::byte>();
    }
  }
  return probe_pool(engine.device().isa, engine.pool(), memory);
}

}  // namespace sluice
