// SPDX-License-Identifier: Apache-2.0
// A part of the weights that stands for all of them, and the speed that is measured with it.
#include "runtime/weights/weight_sample.h"

#include "runtime/engine/speed.h"
#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

ToyOptions layered_toy() {
  ToyOptions options;
  options.n_layers = 12, options.d_model = 256, options.d_ff = 512;
  return options;
}

uint64_t bytes_in(const Model& model, const std::vector<uint32_t>& sample) {
  uint64_t bytes = 0;
  for (uint32_t c = 0; c < sample.size(); ++c)
    if (sample[c] == c) bytes += model.header().chunks()->Get(c)->bytes();
  return bytes;
}

}  // namespace

TEST_CASE("a sample is as large as it may be, and every chunk is stood for by one of its own kind",
          "[runtime][speed]") {
  TemporaryFolder folder;
  ToyOptions options = layered_toy();
  options.tied = GENERATE(true, false);
  const auto model = load_toy(make_toy(folder, options)).model;
  const ModelTensors tensors = *find_tensors(*model);
  const std::vector<uint32_t> all = weight_sample(*model, tensors, ~uint64_t{0});
  const uint64_t whole = bytes_in(*model, all);
  REQUIRE(whole > 0);
  for (uint64_t part : {uint64_t{1}, whole / 3, whole / 2, whole}) {
    CAPTURE(part, whole);
    const std::vector<uint32_t> sample = weight_sample(*model, tensors, part);
    REQUIRE(sample.size() == all.size());
    for (uint32_t c = 0; c < sample.size(); ++c) {
      CHECK((all[c] == c || all[c] == Model::kAbsent));
      REQUIRE((sample[c] == Model::kAbsent) == (all[c] == Model::kAbsent));
      if (sample[c] == Model::kAbsent) continue;
      CHECK(sample[sample[c]] == sample[c]);
      CHECK(model->header().chunks()->Get(sample[c])->bytes() == model->header().chunks()->Get(c)->bytes());
    }
    if (part > 1) CHECK(bytes_in(*model, sample) <= part + whole / 12);
    for (const auto tensor : {&LayerTensors::q, &LayerTensors::attn_output, &LayerTensors::down}) {
      const uint32_t first = tensor_place(model->header(), tensors.layers[0].*tensor).member.first_chunk;
      for (const LayerTensors& layer : tensors.layers) {  // same shape everywhere: the first can stand for all
        const uint32_t chunk = tensor_place(model->header(), layer.*tensor).member.first_chunk;
        if (part == 1) CHECK(sample[chunk] == sample[first]);
      }
    }
  }
}

TEST_CASE("an engine with a sample of the weights computes, in its budget", "[runtime][speed]") {
  TemporaryFolder folder;
  ToyEngine whole = load_toy(make_toy(folder, layered_toy()));
  const Plan& plan = whole.engine->plan();
  const std::vector<int32_t> tokens = toy_tokens(5);
  for (uint64_t part : {uint64_t{1}, plan.part(Part::kWeights) / 2, plan.part(Part::kWeights)}) {
    auto engine = Engine::create(whole.model, plan, nullptr, part);
    REQUIRE(engine.ok());
    auto session = Session::create(**engine);
    REQUIRE(session.ok());
    const Logits logits = feed_all(**session, tokens);
    CHECK(logits.size() == tokens.size());
    CHECK((*engine)->accountant().peak() <= plan.planned_bytes);
    if (part >= plan.part(Part::kWeights)) CHECK(equal_bits(logits, feed_all(*whole.session, tokens)));
  }
}

TEST_CASE("the speed of a plan is measured within its budget, resident or streamed", "[runtime][speed]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder, layered_toy());
  const Plan all = load_toy(path).engine->plan();
  for (uint64_t budget : {all.minimum_bytes, (all.minimum_bytes + all.planned_bytes) / 2, all.planned_bytes}) {
    const ToyEngine toy = load_toy(path, {.budget_bytes = budget});
    const auto speed = measure_speed(toy.model, toy.engine->plan());
    INFO((speed.ok() ? "" : speed.error().text()));
    REQUIRE(speed.ok());
    CHECK(speed->token_s > 0);
    CHECK(speed->disk_GB_s > 0);
    CHECK(speed->context_GB_s >= 0);
  }
}

}  // namespace sluice::test
