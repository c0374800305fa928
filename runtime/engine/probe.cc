// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/probe.h"

#include <cstring>

namespace sluice {

Probe probe_engine(Engine& engine) {
  constexpr uint64_t kLargerThanCaches = uint64_t{256} << 20;
  std::span<const std::byte> memory = engine.weights().bytes();
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
