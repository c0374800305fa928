// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv/kv_cache.h"

#include "base/accountant.h"
#include "base/checked.h"

namespace sluice {
namespace {

// Bytes of the arrays of one layer, in the order in which they lie in the block. All factors are bounded by the
// limits of the file format (heads, head_dim) and of the plan (n_ctx): the products stay below 2^63.
struct LayerBytes {
  uint64_t keys, values, key_scales, value_scales;
  uint64_t total() const { return keys + values + key_scales + value_scales; }
};

constexpr uint64_t kAlign = 64;

LayerBytes layer_bytes(const KvLayerShape& shape, KvType type, uint32_t n_slots) {
  const uint64_t per_channel = uint64_t(shape.n_kv_heads) * n_slots;
  if (type == KvType::kF32) {
    const uint64_t bytes = round_up(per_channel * shape.head_dim * sizeof(float), kAlign);
    return {bytes, bytes, 0, 0};
  }
  const uint64_t padded_dim = round_up(shape.head_dim, 4), n_groups = (uint64_t(shape.head_dim) + 31) / 32;
  return {round_up(per_channel * padded_dim, kAlign), round_up(per_channel * shape.head_dim, kAlign),
          round_up(per_channel * n_groups * sizeof(uint16_t), kAlign), round_up(per_channel * sizeof(uint16_t), kAlign)};
}

}  // namespace

uint32_t kv_slots(uint32_t n_ctx) { return uint32_t(round_up(uint64_t(n_ctx), kKvBlockSlots)); }

uint64_t kv_layer_bytes(const KvLayerShape& shape, KvType type, uint32_t n_slots) {
  return layer_bytes(shape, type, n_slots).total();
}

uint64_t kv_cache_bytes(std::span<const KvLayerShape> layers, KvType type, uint32_t n_ctx) {
  uint64_t bytes = 0;
  for (const KvLayerShape& shape : layers) bytes += kv_layer_bytes(shape, type, kv_slots(n_ctx));
  return block_bytes(bytes);
}

Result<KvCache> KvCache::create(std::span<const KvLayerShape> layers, KvType type, uint32_t n_ctx,
                                Accountant& accountant) {
  KvCache cache;
  cache.type_ = type, cache.n_ctx_ = n_ctx, cache.n_slots_ = kv_slots(n_ctx);
  SLUICE_TRY(cache.block_, accountant.allocate(MemoryKind::kKv, kv_cache_bytes(layers, type, n_ctx)));
  std::byte* next = cache.block_.data();
  for (const KvLayerShape& shape : layers) {
    const LayerBytes bytes = layer_bytes(shape, type, cache.n_slots_);
    KvLayer layer;
    layer.keys = next;
    layer.values = next + bytes.keys;
    if (type == KvType::kQ8) {
      layer.key_scales = reinterpret_cast<uint16_t*>(layer.values + bytes.values);
      layer.value_scales = reinterpret_cast<uint16_t*>(layer.values + bytes.values + bytes.key_scales);
    }
    cache.layers_.push_back(layer);
    next += bytes.total();
  }
  return cache;
}

}  // namespace sluice
