// SPDX-License-Identifier: Apache-2.0
// Every field of Config and Layer that the four families fill, against values worked out by hand.
#include <cmath>
#include <functional>

#include "slm_weights.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

// Converts and hands over the opened file; `change` edits the toy first.
std::unique_ptr<SlmWeights> converted(const ToyOptions& o, const std::function<void(GgufBuilder&)>& change = {}) {
  TemporaryFolder folder;
  GgufBuilder g = toy_gguf(o);
  if (change) change(g);
  g.write(folder / "toy.gguf");
  const auto report = convert_file(folder / "toy.gguf", folder / "toy.slm");
  if (!report.ok()) FAIL(report.error().text());
  return std::make_unique<SlmWeights>(folder / "toy.slm");
}

std::string refusal(const ToyOptions& o, const std::function<void(GgufBuilder&)>& change) {
  TemporaryFolder folder;
  GgufBuilder g = toy_gguf(o);
  change(g);
  g.write(folder / "toy.gguf");
  const auto report = convert_file(folder / "toy.gguf", folder / "toy.slm");
  if (report.ok()) return "accepted";
  CHECK(report.error().code == Code::kBadModel);
  CHECK(report.error().place == folder / "toy.gguf");
  return report.error().message;
}

ToyOptions family(const char* name) {
  ToyOptions o;
  o.architecture = name;
  return o;
}

bool says(const std::string& message, const std::string& part) { return message.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("llama: sizes, scale, rotation and the half-split order of Q and K", "[converter][archs]") {
  const auto slm = converted(family("llama"));
  const fb::Config& c = *slm->header().config();
  CHECK(c.d_model() == 64);
  CHECK(c.n_layers() == 2);
  CHECK(c.n_vocab() == 320);
  CHECK(c.n_ctx() == 512);
  CHECK(c.norm_eps() == 1e-5f);
  CHECK(c.embedding_scale() == 1.0f);
  CHECK(c.final_softcap() == 0.0f);
  for (const fb::Layer* layer : *c.layers()) {
    CHECK(layer->n_heads() == 4);
    CHECK(layer->n_kv_heads() == 2);
    CHECK(layer->head_dim() == 16);
    CHECK(layer->d_ff() == 96);
    CHECK(layer->window() == 0);
    CHECK(layer->attn_scale() == 0.25f);
    CHECK(layer->activation() == fb::Activation::Silu);
    CHECK(layer->rope() == 0);
  }
  REQUIRE(c.ropes()->size() == 1);
  const auto* f = c.ropes()->Get(0)->inv_freq();
  REQUIRE(f->size() == 8);
  for (uint32_t j = 0; j < 8; ++j) CHECK(f->Get(j) == std::pow(10000.0, -2.0 * j / 16));
  CHECK(c.ropes()->Get(0)->magnitude() == 1.0f);
  CHECK(slm->find(fb::Role::AttnQ, 0)->row_order() == fb::RowOrder::RopePairs);
  CHECK(slm->find(fb::Role::AttnK, 1)->row_order() == fb::RowOrder::RopePairs);
  CHECK(slm->find(fb::Role::AttnV, 0)->row_order() == fb::RowOrder::Plain);
}

TEST_CASE("llama: biases of Q and K move with their rows", "[converter][archs]") {
  std::string bias;
  for (int i = 0; i < 64; ++i) GgufBuilder::put(bias, float(i));
  const auto slm = converted(family("llama"), [&](GgufBuilder& g) {
    g.tensor("blk.0.attn_q.bias", {64}, toy::kF32, bias);
    g.tensor("blk.0.attn_output.bias", {64}, toy::kF32, bias);
  });
  const std::vector<float> q = slm->row(*slm->find(fb::Role::AttnQBias, 0), 0);
  // Head 1 begins at 16: first the even elements of the file, then the odd ones.
  CHECK(q[16] == 16);
  CHECK(q[17] == 18);
  CHECK(q[23] == 30);
  CHECK(q[24] == 17);
  CHECK(q[31] == 31);
  CHECK(slm->row(*slm->find(fb::Role::AttnOutputBias, 0), 0)[17] == 17);
}

TEST_CASE("llama: frequency factors divide, linear scaling divides all", "[converter][archs]") {
  std::string factors;
  for (int j = 0; j < 8; ++j) GgufBuilder::put(factors, float(1 << j));
  const auto slm = converted(family("llama"), [&](GgufBuilder& g) {
    g.tensor("rope_freqs.weight", {8}, toy::kF32, factors);
    g.text("llama.rope.scaling.type", "linear").f32("llama.rope.scaling.factor", 4);
  });
  const auto* f = slm->header().config()->ropes()->Get(0)->inv_freq();
  for (uint32_t j = 0; j < 8; ++j) CHECK(f->Get(j) == std::pow(10000.0, -2.0 * j / 16) / double(1 << j) / 4);
  CHECK(slm->find("rope_freqs.weight") == nullptr);
}

TEST_CASE("yarn keeps fast frequencies, divides slow ones and raises the magnitude", "[converter][archs]") {
  const auto slm = converted(family("qwen2"), [](GgufBuilder& g) {
    g.text("qwen2.rope.scaling.type", "yarn").f32("qwen2.rope.scaling.factor", 4);
    g.u32("qwen2.rope.scaling.original_context_length", 128);
  });
  const fb::Rope& rope = *slm->header().config()->ropes()->Get(0);
  CHECK(rope.magnitude() == float(1 + 0.1 * std::log(4.0)));
  // The pair that makes beta turns in 128 positions is 16 ln(128 / (2 pi beta)) / (2 ln 10000): below 0 for beta = 32,
  // 2.62 for beta = 1; so the ramp runs from 0 to 3.
  for (uint32_t j = 0; j < 8; ++j) {
    const double plain = std::pow(10000.0, -2.0 * j / 16), keep = j >= 3 ? 0.0 : 1 - j / 3.0;
    CHECK(rope.inv_freq()->Get(j) == Approx(plain / 4 * (1 - keep) + plain * keep).epsilon(1e-14));
  }
}

TEST_CASE("qwen2: biases are there, rows stay in order", "[converter][archs]") {
  const auto slm = converted(family("qwen2"));
  for (const auto role : {fb::Role::AttnQBias, fb::Role::AttnKBias, fb::Role::AttnVBias}) {
    REQUIRE(slm->find(role, 1) != nullptr);
    CHECK(slm->find(role, 1)->rows() == 1);
    CHECK(slm->find(role, 1)->row_order() == fb::RowOrder::Plain);
  }
  CHECK(slm->find(fb::Role::AttnQ, 0)->row_order() == fb::RowOrder::Plain);
  CHECK(slm->find(fb::Role::AttnQNorm, 0) == nullptr);
}

TEST_CASE("qwen3: head norms and a head size of its own", "[converter][archs]") {
  ToyOptions o = family("qwen3");
  o.head_dim = 32;
  const auto slm = converted(o);
  CHECK(slm->header().config()->layers()->Get(0)->head_dim() == 32);
  CHECK(slm->header().config()->layers()->Get(0)->attn_scale() == float(1 / std::sqrt(32.0)));
  CHECK(slm->find(fb::Role::AttnQ, 0)->rows() == 128);
  CHECK(slm->find(fb::Role::AttnQNorm, 0)->cols() == 32);
  CHECK(slm->find(fb::Role::AttnQBias, 0) == nullptr);
  CHECK(says(refusal(o, [](GgufBuilder& g) { g.remove_tensor("blk.1.attn_k_norm.weight"); }),
             "blk.1.attn_k_norm.weight is missing"));
}

TEST_CASE("gemma3: embedding scale, activation, windows and two rotations", "[converter][archs]") {
  ToyOptions o = family("gemma3");
  o.n_layers = 12;
  const auto slm = converted(o, [](GgufBuilder& g) {
    g.f32("gemma3.rope.freq_base", 1e6f)
        .text("gemma3.rope.scaling.type", "linear")
        .f32("gemma3.rope.scaling.factor", 8);
  });
  const fb::Config& c = *slm->header().config();
  CHECK(c.embedding_scale() == std::sqrt(64.0f));
  REQUIRE(c.ropes()->size() == 2);
  for (uint32_t l = 0; l < 12; ++l) {
    const fb::Layer& layer = *c.layers()->Get(l);
    const bool full = l == 5 || l == 11;
    CHECK(layer.window() == (full ? 0 : 16));
    CHECK(layer.activation() == fb::Activation::GeluTanh);
    const fb::Rope& rope = *c.ropes()->Get(layer.rope());
    // Scaling is for the layers that see everything only.
    CHECK(rope.inv_freq()->Get(1) == (full ? std::pow(1e6, -2.0 / 16) / 8 : std::pow(1e4, -2.0 / 16)));
    CHECK(slm->find(fb::Role::AttnPostNorm, int(l)) != nullptr);
    CHECK(slm->find(fb::Role::FfnPostNorm, int(l)) != nullptr);
  }
}

TEST_CASE("gemma3: the embedding scale is the float32 root, unrounded to bfloat", "[converter][archs]") {
  ToyOptions o = family("gemma3");
  o.d_model = 640, o.n_heads = 4, o.head_dim = 32, o.n_layers = 1;
  CHECK(converted(o)->header().config()->embedding_scale() == 25.298221281347036f);
}

TEST_CASE("gemma3: the pattern key as a period, as one flag per layer, and no window at all", "[converter][archs]") {
  ToyOptions o = family("gemma3");
  o.n_layers = 4;
  const auto windows = [](SlmWeights& slm) {
    std::vector<uint32_t> w;
    for (const fb::Layer* layer : *slm.header().config()->layers()) w.push_back(layer->window());
    return w;
  };
  CHECK(windows(*converted(o, [](GgufBuilder& g) { g.u32("gemma3.attention.sliding_window_pattern", 2); })) ==
        std::vector<uint32_t>{16, 0, 16, 0});
  CHECK(windows(*converted(o, [](GgufBuilder& g) {
          g.numbers<uint8_t>("gemma3.attention.sliding_window_pattern", gguf_id::kBool, {0, 1, 1, 0});
        })) == std::vector<uint32_t>{0, 16, 16, 0});
  const auto plain = converted(
      o, [](GgufBuilder& g) { g.remove("gemma3.attention.sliding_window").f32("gemma3.rope.freq_base", 1e6f); });
  CHECK(windows(*plain) == std::vector<uint32_t>{0, 0, 0, 0});
  CHECK(
      plain->header().config()->ropes()->Get(plain->header().config()->layers()->Get(0)->rope())->inv_freq()->Get(1) ==
      std::pow(1e6, -2.0 / 16));
  CHECK(says(refusal(o,
                     [](GgufBuilder& g) {
                       g.numbers<uint8_t>("gemma3.attention.sliding_window_pattern", gguf_id::kBool, {0, 1, 1});
                     }),
             "3 elements for 4 layers"));
}

TEST_CASE("heads and widths may differ by layer", "[converter][archs]") {
  ToyOptions o = family("llama");
  const auto slm = converted(o, [](GgufBuilder& g) {
    g.numbers<int32_t>("llama.feed_forward_length", gguf_id::kI32, {96, 64});
    Rng rng(3);
    for (const char* name : {"blk.1.ffn_gate.weight", "blk.1.ffn_up.weight"}) {
      g.find_tensor(name).dims = {64, 64};
      g.find_tensor(name).data = random_weights(toy::kQ8_0, 64 * 64, 0.1f, rng);
    }
    g.find_tensor("blk.1.ffn_down.weight").dims = {64, 64};
    g.find_tensor("blk.1.ffn_down.weight").data = random_weights(toy::kQ8_0, 64 * 64, 0.1f, rng);
  });
  CHECK(slm->header().config()->layers()->Get(0)->d_ff() == 96);
  CHECK(slm->header().config()->layers()->Get(1)->d_ff() == 64);
}

TEST_CASE("soft caps and an attention scale of the file are taken over", "[converter][archs]") {
  const auto slm = converted(family("gemma3"), [](GgufBuilder& g) {
    g.f32("gemma3.attn_logit_softcapping", 50)
        .f32("gemma3.final_logit_softcapping", 30)
        .f32("gemma3.attention.scale", 0.125f);
  });
  CHECK(slm->header().config()->final_softcap() == 30);
  CHECK(slm->header().config()->layers()->Get(0)->attn_softcap() == 50);
  CHECK(slm->header().config()->layers()->Get(0)->attn_scale() == 0.125f);
}

TEST_CASE("what would compute something else is refused with the name of the tensor or key", "[converter][archs]") {
  const ToyOptions llama = family("llama");
  CHECK(says(refusal(llama, [](GgufBuilder& g) { g.u32("llama.expert_count", 8); }), "experts"));
  CHECK(says(refusal(llama, [](GgufBuilder& g) { g.remove_tensor("blk.1.ffn_norm.weight"); }),
             "blk.1.ffn_norm.weight is missing"));
  CHECK(says(
      refusal(llama, [](GgufBuilder& g) { g.tensor("blk.0.attn_sinks.weight", {4}, toy::kF32, std::string(16, 0)); }),
      "blk.0.attn_sinks.weight has no place"));
  CHECK(says(refusal(llama, [](GgufBuilder& g) { g.u32("llama.attention.head_count", 8); }),
             "blk.0.attn_k.weight has the shape [64, 32], expected [64, 16]"));
  CHECK(says(refusal(llama, [](GgufBuilder& g) { g.u32("llama.attention.head_count_kv", 3); }),
             "does not divide 4 heads"));
  CHECK(says(refusal(llama, [](GgufBuilder& g) { g.u32("llama.rope.dimension_count", 8); }),
             "llama.rope.dimension_count is 8, expected 16"));
  CHECK(says(refusal(llama, [](GgufBuilder& g) { g.u32("llama.attention.value_length", 32); }), "value_length is 32"));
  CHECK(says(refusal(llama, [](GgufBuilder& g) { g.text("llama.rope.scaling.type", "dynamic"); }), "dynamic"));
  CHECK(says(refusal(llama, [](GgufBuilder& g) { g.text("general.architecture", "mamba"); }),
             "llama, qwen2, qwen3, gemma3, phi3, minicpm are known"));
  CHECK(says(refusal(llama, [](GgufBuilder& g) { g.f32("llama.attention.layer_norm_rms_epsilon", 0); }), "epsilon"));
  CHECK(says(refusal(llama,
                     [](GgufBuilder& g) {
                       g.find_tensor("blk.0.ffn_up.weight").type = 16;
                       g.find_tensor("blk.0.ffn_up.weight").dims = {256, 24};
                       g.find_tensor("blk.0.ffn_up.weight").data.resize(24 * 66);
                     }),
             "blk.0.ffn_up.weight has the type IQ2_XXS, which cannot be converted: its codes are places in a table"));
  CHECK(says(refusal(llama,
                     [](GgufBuilder& g) {
                       g.find_tensor("blk.0.attn_norm.weight").type = toy::kQ8_0;
                       g.find_tensor("blk.0.attn_norm.weight").data.resize(68);
                     }),
             "blk.0.attn_norm.weight has the type Q8_0, expected plain numbers"));
}

}  // namespace sluice::test
