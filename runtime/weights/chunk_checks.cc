// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/chunk_checks.h"

#include "base/checked.h"
#include "schema/layout.h"

namespace sluice {

ChunkChecks::ChunkChecks(std::shared_ptr<const Model> model)
    : model_(std::move(model)), known_(model_->header().chunks() ? model_->header().chunks()->size() : 0) {}

Status ChunkChecks::check(uint32_t chunk, std::span<const std::byte> data) {
  if (known(chunk)) return {};
  SLUICE_DO(check_chunk(*model_, chunk, data));
  known_[chunk].store(true, std::memory_order_relaxed);
  return {};
}

Status ChunkChecks::check_all(uint32_t first_chunk, uint32_t n_chunks, std::span<const std::byte> data) {
  uint64_t at = 0;
  for (uint32_t c = first_chunk; c < first_chunk + n_chunks; ++c) {
    const uint32_t bytes = model_->header().chunks()->Get(c)->bytes();
    SLUICE_DO(check(c, data.subspan(at, bytes)));
    at += round_up(uint64_t(bytes), kSlmAlignment);
  }
  return {};
}

void ChunkChecks::forget() {
  for (std::atomic<bool>& chunk : known_) chunk.store(false, std::memory_order_relaxed);
}

}  // namespace sluice
