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
          "[backends][layer]") {
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

TEST_CASE("layers in int8 stay near the float32 reference", "[backends][layer]") {
  for (const LayerConfig& c : layer_configs()) {
    const LayerModel m(c);
    Device reference("reference", 2), cpu(cpu_isas().back(), 2);
    const LayerRun wanted = run_layers(reference, m, {40, 1, 1});
    const LayerRun got = run_layers(cpu, m, {40, 1, 1});
    INFO(c.name);
    CHECK(rms_error(got.logits, wanted.logits) < 0.06);  // 8-bit activations, up to 5 % with heads of 8 channels
    CHECK(relative_error(run_layers(reference, m, {42}, true).logits, wanted.logits) < 1e-4);
  }
}

TEST_CASE("the bits of whole layers are the same on every machine", "[backends][layer][golden]") {
  const uint64_t pinned[] = {0x922fa942d1436b37, 0x2b70afe81e68cc38, 0x77c7368d5a1a4bf6,
                             0x9ed588da341859ab, 0x5a9a0c9104bbae9c, 0x162eba57b4803b19};
  const std::vector<LayerConfig> configs = layer_configs();
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
