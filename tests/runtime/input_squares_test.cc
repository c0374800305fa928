// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/input_squares.h"

#include <cmath>

#include "runtime/model/dequantize.h"
#include "support/catch.h"
#include "toy.h"

namespace sluice::test {

namespace {

ToyEngine reference_toy(const TemporaryFolder& folder, const ToyOptions& options, uint32_t max_rows = 0) {
  ToyEngineOptions engine;
  engine.device = "reference", engine.n_ctx = 64, engine.max_rows = max_rows;
  return load_toy(make_toy(folder, options), engine);
}

}  // namespace

TEST_CASE("what is multiplied after a norm has the mean square 1 once the norm's weights are taken out", "[runtime]") {
  TemporaryFolder folder;
  ToyOptions options;
  options.architecture = GENERATE("llama", "gemma3");
  options.tied = options.architecture == std::string("gemma3");
  ToyEngine toy = reference_toy(folder, options);
  REQUIRE(toy.engine->collect_inputs().ok());
  feed_all(*toy.session, toy_tokens(40));
  const InputSquares& squares = toy.engine->input_squares();
  const Model& model = *toy.model;
  for (const auto& [norm, matrix] :
       {std::pair("blk.1.attn_norm.weight", "blk.1.attn_q.weight"),
        std::pair("blk.1.attn_norm.weight", "blk.1.attn_v.weight"),
        std::pair("blk.0.ffn_norm.weight", "blk.0.ffn_up.weight"),
        std::pair("output_norm.weight", options.tied ? "token_embd.weight" : "output.weight")}) {
    CAPTURE(options.architecture, matrix);
    const uint32_t index = model.find(std::string_view(matrix)), norm_index = model.find(std::string_view(norm));
    REQUIRE(index != Model::kAbsent);
    std::vector<float> weights(model.tensor(norm_index).cols());
    REQUIRE(read_weights(model, norm_index, 0, 1, weights).ok());
    const std::span<const double> sums = squares.sums(index);
    REQUIRE(sums.size() == weights.size());
    CHECK(squares.rows(index) == 40);
    double total = 0;
    for (size_t i = 0; i < sums.size(); ++i) total += sums[i] / 40 / (double(weights[i]) * weights[i]);
    CHECK(std::fabs(total / double(sums.size()) - 1) < 1e-3);
  }
  CHECK(squares.sums(model.find(std::string_view("blk.0.attn_norm.weight"))).empty());
  for (const char* matrix : {"blk.0.attn_output.weight", "blk.1.ffn_down.weight"}) {
    const uint32_t index = model.find(std::string_view(matrix));
    CHECK(squares.sums(index).size() == model.tensor(index).cols());
    for (double sum : squares.sums(index)) CHECK(sum > 0);
  }
}

TEST_CASE("sums of squares do not depend on how the tokens are cut into chunks, nor the logits on the sums",
          "[runtime]") {
  TemporaryFolder folder;
  ToyEngine whole = reference_toy(folder, {}), pieces = reference_toy(folder, {}, 16),
            plain = reference_toy(folder, {});
  REQUIRE(whole.engine->collect_inputs().ok());
  REQUIRE(pieces.engine->collect_inputs().ok());
  const auto tokens = toy_tokens(50);
  const auto logits = feed_all(*whole.session, tokens);
  CHECK(feed_all(*pieces.session, tokens) == logits);
  CHECK(feed_all(*plain.session, tokens) == logits);
  for (uint32_t t = 0; t < whole.model->header().tensors()->size(); ++t) {
    const auto a = whole.engine->input_squares().sums(t), b = pieces.engine->input_squares().sums(t);
    CHECK(std::vector<double>(a.begin(), a.end()) == std::vector<double>(b.begin(), b.end()));
  }
  CHECK(!plain.engine->input_squares().active());
}

TEST_CASE("weights that are streamed through a window give the same sums", "[runtime][streaming]") {
  TemporaryFolder folder;
  ToyOptions options;
  options.d_model = 256, options.d_ff = 512, options.n_layers = 5, options.tied = GENERATE(true, false);
  const std::string path = make_toy(folder, options);
  ToyEngine resident = load_toy(path, {.n_ctx = 64, .device = "reference"});
  const Plan& plan = resident.engine->plan();
  const uint64_t budget = (plan.minimum_bytes + plan.planned_bytes) / 2;
  ToyEngine streamed = load_toy(path, {.n_ctx = 64, .budget_bytes = budget, .device = "reference"});
  REQUIRE(streamed.engine->plan().streamed_bytes_per_token > 0);
  REQUIRE(resident.engine->collect_inputs().ok());
  REQUIRE(streamed.engine->collect_inputs().ok());
  const auto tokens = toy_tokens(40);
  CHECK(feed_all(*streamed.session, tokens) == feed_all(*resident.session, tokens));
  size_t n_compared = 0;
  for (uint32_t t = 0; t < resident.model->header().tensors()->size(); ++t) {
    const auto a = resident.engine->input_squares().sums(t), b = streamed.engine->input_squares().sums(t);
    CHECK(std::vector<double>(a.begin(), a.end()) == std::vector<double>(b.begin(), b.end()));
    n_compared += a.size();
  }
  CHECK(n_compared > 0);
}

TEST_CASE("a device with 8-bit activations collects nothing and says so", "[runtime]") {
  TemporaryFolder folder;
  ToyEngineOptions cpu;
  cpu.n_ctx = 64;
  ToyEngine toy = load_toy(make_toy(folder), cpu);
  const Status status = toy.engine->collect_inputs();
  REQUIRE(!status.ok());
  CHECK(status.error().code == Code::kUsage);
  CHECK(!toy.engine->input_squares().active());
}

}  // namespace sluice::test
