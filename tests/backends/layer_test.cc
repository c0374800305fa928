// SPDX-License-Identifier: Apache-2.0
// Whole layers: equal bits on every ISA, thread count, chunking and unit range; close to the float32 reference.
#include "layer.h"

namespace sluice::test {

TEST_CASE("layers give the scalar path's bits on every ISA and thread count", "[backends][layer][isa]") {
  for (const LayerConfig& c : layer_configs()) {
    const LayerModel m(c);
    Device scalar("scalar", 1);
    const LayerRun wanted = run_layers(scalar, m, {33, 1, 7, 2});
    for (const std::string& isa : cpu_isas())
      for (int threads : {1, 2, 3}) {
        Device device(isa, threads);
        const LayerRun got = run_layers(device, m, {33, 1, 7, 2});
        INFO(c.name << ", " << isa << ", " << threads << " threads");
        CHECK(same_bits(got.x, wanted.x));
        CHECK(same_bits(got.logits, wanted.logits));
      }
  }
}

TEST_CASE("a prompt fed in any chunks or in unit ranges gives equal bits, across blocks of 256 slots",
          "[backends][layer][long]") {
  for (const LayerConfig& c : layer_configs()) {
    const LayerModel m(c);
    Device device(cpu_isas().back(), 2);
    const LayerRun wanted = run_layers(device, m, std::vector<uint32_t>(560, 1));
    const std::vector<std::vector<uint32_t>> ways = {{64, 64, 64, 64, 64, 64, 64, 64, 48},
                                                     {3, 61, 64, 64, 63, 4, 1, 5, 64, 64, 64, 64, 39}};
    for (const auto& chunks : ways)
      for (bool ranges : {false, true}) {
        INFO(c.name << ", chunks of " << chunks[0] << (ranges ? ", in ranges" : ""));
        const LayerRun got = run_layers(device, m, chunks, ranges);
        CHECK(same_bits(got.x, wanted.x));
        CHECK(same_bits(got.logits, wanted.logits));
      }
  }
}

TEST_CASE("layers in int8 stay near the float32 reference, whose bits do not depend on chunks", "[backends][layer]") {
  for (const LayerConfig& c : layer_configs()) {
    const LayerModel m(c);
    Device reference("reference", 2), cpu(cpu_isas().back(), 2);
    const LayerRun wanted = run_layers(reference, m, {40, 1, 1});
    const LayerRun got = run_layers(cpu, m, {40, 1, 1});
    INFO(c.name);
    CHECK(rms_error(got.logits, wanted.logits) < c.most_error);
    CHECK(same_bits(run_layers(reference, m, {42}).logits, wanted.logits));
    CHECK(same_bits(run_layers(reference, m, {7, 35}, true).logits, wanted.logits));
  }
}

TEST_CASE("the bits of whole layers are the same on every machine", "[backends][layer][golden]") {
  const std::vector<uint64_t> pinned = {0xe93a322a34726071, 0x71b86cd21317efab, 0x4fa6c4342e9fc815, 0x9ed588da341859ab,
                                        0x1bd3e04a2efc2a65, 0x3a634c24d930b9fa, 0xed5302e56adaf4a7};
  const std::vector<LayerConfig> configs = layer_configs();
  REQUIRE(configs.size() == pinned.size());
  for (size_t i = 0; i < configs.size(); ++i) {
    Device device(cpu_isas().back(), 2);
    uint64_t hash = 14695981039346656037u;  // FNV-1a over the logits' bits
    for (float v : run_layers(device, LayerModel(configs[i]), {33, 1, 7, 2}).logits) {
      uint32_t bits;
      std::memcpy(&bits, &v, 4);
      hash = (hash ^ bits) * 1099511628211u;
    }
    INFO(configs[i].name);
    CHECK(hash == pinned[i]);
  }
}

}  // namespace sluice::test
