// SPDX-License-Identifier: Apache-2.0
#include "runtime/kv/kv_cache.h"

#include <vector>

#include "support/catch.h"

namespace sluice {

TEST_CASE("a context occupies whole attention blocks", "[runtime][kv]") {
  CHECK(kv_slots(1) == 256);
  CHECK(kv_slots(256) == 256);
  CHECK(kv_slots(257) == 512);
}

TEST_CASE("the bytes of a cache follow from its layout", "[runtime][kv]") {
  // int8 keys and values, one f16 scale per 32 key channels and one per value row.
  const KvLayerShape layer{2, 80};
  CHECK(kv_layer_bytes(layer, KvType::kQ8, 256) == 2 * 256 * (80 + 80 + 3 * 2 + 2));
  CHECK(kv_layer_bytes(layer, KvType::kF32, 256) == 2 * 256 * 80 * 4 * 2);
  // Channels come in fours for the keys only.
  CHECK(kv_layer_bytes({1, 6}, KvType::kQ8, 256) == 256 * (8 + 6 + 2 + 2));
}

TEST_CASE("the arrays of a cache are aligned and do not overlap", "[runtime][kv]") {
  Accountant accountant(0);
  const std::vector<KvLayerShape> layers = {{3, 18}, {1, 64}};
  for (KvType type : {KvType::kQ8, KvType::kF32}) {
    auto cache = KvCache::create(layers, type, 300, accountant);
    REQUIRE(cache.ok());
    CHECK(cache->n_slots() == 512);
    CHECK(accountant.used() == kv_cache_bytes(layers, type, 300));
    const std::byte* end = nullptr;
    for (size_t l = 0; l < layers.size(); ++l) {
      const KvLayer& layer = cache->layers()[l];
      CHECK(reinterpret_cast<uintptr_t>(layer.keys) % 64 == 0);
      CHECK(reinterpret_cast<uintptr_t>(layer.values) % 64 == 0);
      if (end != nullptr) CHECK(layer.keys == end);
      CHECK(layer.keys < layer.values);
      end = layer.keys + kv_layer_bytes(layers[l], type, 512);
      if (type == KvType::kQ8) {
        CHECK(reinterpret_cast<std::byte*>(layer.key_scales) > layer.values);
        CHECK(reinterpret_cast<std::byte*>(layer.value_scales + layers[l].n_kv_heads * 512) <= end);
      } else {
        CHECK(layer.key_scales == nullptr);
      }
    }
  }
  CHECK(accountant.used() == 0);
}

TEST_CASE("a cache that exceeds the budget is refused", "[runtime][kv]") {
  Accountant accountant(1 << 20);
  const std::vector<KvLayerShape> layers = {{8, 128}};
  const auto cache = KvCache::create(layers, KvType::kQ8, 4096, accountant);
  REQUIRE(!cache.ok());
  CHECK(cache.error().code == Code::kNoFit);
}

}  // namespace sluice
