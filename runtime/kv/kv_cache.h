// SPDX-License-Identifier: Apache-2.0
// The KV cache of one session: every position of the context at its own slot, all layers in one block. backend.h fixes
// the layout inside a layer; only backends read and write it.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "backends/backend.h"
#include "base/accountant.h"

namespace sluice {

struct KvLayerShape {
  uint32_t n_kv_heads = 0, head_dim = 0;
};

// Slots of a context: whole attention blocks.
uint32_t kv_slots(uint32_t n_ctx);

// Bytes of one layer (each of its arrays padded to 64) and of a whole session.
uint64_t kv_layer_bytes(const KvLayerShape& shape, KvType type, uint32_t n_slots);
uint64_t kv_cache_bytes(std::span<const KvLayerShape> layers, KvType type, uint32_t n_ctx);

class KvCache {
 public:
  // kNoFit, kNoMemory.
  static Result<KvCache> create(std::span<const KvLayerShape> layers, KvType type, uint32_t n_ctx,
                                Accountant& accountant);

  KvType type() const { return type_; }
  uint32_t n_ctx() const { return n_ctx_; }
  uint32_t n_slots() const { return n_slots_; }
  const KvLayer* layers() const { return layers_.data(); }

 private:
  Block block_;
  std::vector<KvLayer> layers_;
  KvType type_ = KvType::kQ8;
  uint32_t n_ctx_ = 0, n_slots_ = 0;
};

}  // namespace sluice
