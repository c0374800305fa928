// SPDX-License-Identifier: Apache-2.0
// Which chunks of a model were read once with the right hash: each is checked when it is first read, by whoever reads
// it (loader, weight stream, row gatherer), and all of them again when their file has changed.
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "runtime/model/verify.h"

namespace sluice {

// Thread-safe.
class ChunkChecks {
 public:
  explicit ChunkChecks(std::shared_ptr<const Model> model);

  bool known(uint32_t chunk) const { return known_[chunk].load(std::memory_order_relaxed); }
  // Of a chunk that was just read: kBadModel as check_chunk, whose work is saved where the chunk is known.
  Status check(uint32_t chunk, std::span<const std::byte> data);
  // Of chunks that lie one behind the other as in their file, padding included.
  Status check_all(uint32_t first_chunk, uint32_t n_chunks, std::span<const std::byte> data);
  void forget();

 private:
  std::shared_ptr<const Model> model_;
  std::vector<std::atomic<bool>> known_;  // by chunk
};

}  // namespace sluice
