// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan/plan.h"

#include "runtime/plan/activation_layout.h"
#include "runtime/sampling/sampler.h"
#include "support/catch.h"

namespace sluice {
namespace {

ModelShape synthetic() {
  ModelShape shape;
  shape.d_model = 512, shape.n_vocab = 10000, shape.n_ctx = 8192;
  for (int l = 0; l < 4; ++l) shape.layers.push_back({8, 2, 64, 1536});
  shape.rope_halves = {32};
  shape.weight_bytes = 40 << 20, shape.weight_bytes_per_token = 35 << 20;
  shape.vector_bytes = 10000;
  shape.header_bytes = 50000, shape.tokenizer_bytes = 700000, shape.table_bytes = 3000;
  return shape;
}

DeviceProfile device(KvType kv = KvType::kQ8) {
  return {"cpu", kv, [](const StepLimits& limits) { return uint64_t{1000} * limits.max_rows; }};
}

Machine machine() { return {uint64_t{4} << 30, 2}; }

Plan plan_of(const ModelShape& shape, const PlanOptions& options, const DeviceProfile& d = device()) {
  auto plan = make_plan(shape, options, machine(), d);
  REQUIRE(plan.ok());
  return *plan;
}

uint64_t sum_of_parts(const Plan& plan) {
  uint64_t sum = 0;
  for (uint64_t bytes : plan.parts) sum += bytes;
  return sum;
}

}  // namespace

TEST_CASE("a plan is the sum of its parts and each part is what its room says", "[runtime][plan]") {
  const ModelShape shape = synthetic();
  const Plan plan = plan_of(shape, {});
  CHECK(plan.fits());
  CHECK(plan.n_ctx == 4096);
  CHECK(plan.n_threads == 2);
  CHECK(plan.max_rows == 512);
  CHECK(plan.budget_bytes == uint64_t{4} << 30);
  CHECK(!plan.strict_budget);
  CHECK(plan.planned_bytes == sum_of_parts(plan));
  CHECK(plan.part(Part::kWeights) == (40 << 20) + 12288);
  CHECK(plan.part(Part::kKv) == 4 * 4096 * 2 * (64 + 64 + 4 + 2));
  CHECK(plan.part(Part::kActivations) == activation_layout(shape, 512).total);
  CHECK(plan.part(Part::kLogits) == block_bytes(40000) + Sampler::buffer_bytes(10000, 4096) + block_bytes(4096 * 4));
  CHECK(plan.part(Part::kScratch) == 512000);
}

TEST_CASE("a slow device gets smaller chunks", "[runtime][plan]") {
  DeviceProfile slow = device();
  slow.usual_rows = 32;
  CHECK(plan_of(synthetic(), {}, slow).max_rows == 32);
  CHECK(plan_of(synthetic(), {.max_rows = 256}, slow).max_rows == 256);
}

TEST_CASE("a budget that nobody named leaves the machine's reserve to others", "[runtime][plan]") {
  Machine machine{uint64_t{4} << 30, 2};
  machine.reserve_bytes = 300 << 20, machine.cgroup_limits = true;
  const auto plan = make_plan(synthetic(), {}, machine, device());
  REQUIRE(plan.ok());
  CHECK(plan->budget_bytes == (uint64_t{4} << 30) - (300 << 20));
  CHECK(plan->available_bytes == uint64_t{4} << 30);
  CHECK(plan->cgroup_limits);
  CHECK(!plan->strict_budget);
  const auto named = make_plan(synthetic(), {.budget_bytes = 1 << 30}, machine, device());
  REQUIRE(named.ok());
  CHECK(named->budget_bytes == 1 << 30);
  CHECK(named->reserve_bytes == 0);
}

TEST_CASE("a smaller model context is the default context", "[runtime][plan]") {
  ModelShape shape = synthetic();
  shape.n_ctx = 300;
  const Plan plan = plan_of(shape, {});
  CHECK(plan.n_ctx == 300);
  CHECK(plan.max_rows == 300);
}

TEST_CASE("exactly the minimum fits and one byte less does not", "[runtime][plan]") {
  const ModelShape shape = synthetic();
  PlanOptions options;
  const uint64_t minimum = plan_of(shape, options).minimum_bytes;
  options.budget_bytes = minimum;
  const Plan fits = plan_of(shape, options);
  CHECK(fits.fits());
  CHECK(fits.strict_budget);
  CHECK(fits.planned_bytes <= minimum);
  CHECK(fits.max_n_ctx >= fits.n_ctx);
  options.budget_bytes = minimum - 1;
  const Plan refused = plan_of(shape, options);
  CHECK(!refused.fits());
  CHECK(refused.minimum_bytes == minimum);
  CHECK(refused.max_n_ctx < refused.n_ctx);
}

TEST_CASE("the largest context fits and the next one does not", "[runtime][plan]") {
  const ModelShape shape = synthetic();
  PlanOptions options;
  options.budget_bytes = plan_of(shape, {}).minimum_bytes - (1 << 20);
  const uint32_t largest = plan_of(shape, options).max_n_ctx;
  REQUIRE(largest > 0);
  options.n_ctx = largest;
  CHECK(plan_of(shape, options).fits());
  options.n_ctx = largest + 1;
  CHECK(!plan_of(shape, options).fits());
}

TEST_CASE("a tight budget shortens prefill chunks before it refuses", "[runtime][plan]") {
  const ModelShape shape = synthetic();
  PlanOptions options;
  options.budget_bytes = plan_of(shape, {}).planned_bytes - 1;
  const Plan plan = plan_of(shape, options);
  CHECK(plan.fits());
  CHECK(plan.max_rows == 256);
  options.max_rows = 512;  // unless a person asked for it
  CHECK(!plan_of(shape, options).fits());
}

TEST_CASE("a model larger than any budget is refused with numbers", "[runtime][plan]") {
  ModelShape shape = synthetic();
  shape.weight_bytes = uint64_t{70} << 30;
  const Plan plan = plan_of(shape, {});
  CHECK(!plan.fits());
  CHECK(plan.max_n_ctx == 0);
  CHECK(plan.minimum_bytes > uint64_t{70} << 30);
}

TEST_CASE("a float cache is planned where the device asks for one", "[runtime][plan]") {
  const Plan plan = plan_of(synthetic(), {}, device(KvType::kF32));
  CHECK(plan.part(Part::kKv) == uint64_t{4} * 4096 * 2 * 64 * 4 * 2);
}

TEST_CASE("options out of their range are usage errors", "[runtime][plan]") {
  PlanOptions options;
  options.n_ctx = 8193;
  auto plan = make_plan(synthetic(), options, machine(), device());
  REQUIRE(!plan.ok());
  CHECK(plan.error().code == Code::kUsage);
  options = {};
  options.max_rows = kMaxRowsLimit + 1;
  CHECK(make_plan(synthetic(), options, machine(), device()).error().code == Code::kUsage);
  options = {};
  options.max_logit_rows = kMaxRowsLimit;
  CHECK(make_plan(synthetic(), options, machine(), device()).ok());
}

TEST_CASE("the predicted speed is the bandwidth over weights and a half-filled context", "[runtime][plan]") {
  ModelShape shape = synthetic();
  const auto plan_at = [&](double read_GB_s) {
    auto plan = make_plan(shape, {}, {uint64_t{4} << 30, 2, read_GB_s}, device());
    REQUIRE(plan.ok());
    return *plan;
  };
  const uint64_t per_slot = 2 * (64 + 64 + 4 + 2);  // one layer: two heads of keys, values and their scales
  CHECK(plan_at(10).kv_bytes_per_token == 4 * 2048 * per_slot);
  CHECK(plan_at(10).predicted_decode_tok_s == 10e9 / double((35 << 20) + 4 * 2048 * per_slot));
  CHECK(plan_at(0).predicted_decode_tok_s == 0);
  shape.layers[1].window = 512, shape.layers[2].window = 5000;  // a query of the half-filled context sees 512 and 2048
  CHECK(plan_at(10).kv_bytes_per_token == (3 * 2048 + 512) * per_slot);
}

TEST_CASE("a measured model decodes at the pace of computing, or of the disk or its limit where they are slower",
          "[runtime][plan]") {
  ModelShape shape = synthetic();
  Machine machine{uint64_t{4} << 30, 2, 10, 0};
  machine.speed = {0.02, 5, 0};
  const auto plan_at = [&](uint64_t budget, uint64_t io_limit) {
    PlanOptions options;
    options.budget_bytes = budget, options.io_limit = io_limit;
    auto plan = make_plan(shape, options, machine, device());
    REQUIRE(plan.ok());
    return *plan;
  };
  const Plan resident = plan_at(1 << 30, 0);
  CHECK(resident.predicted_decode_tok_s == 50);
  CHECK(!resident.prediction_is_bound);
  CHECK(resident.predicted_half_full_tok_s == 1 / (0.02 + double(resident.kv_bytes_per_token) / 5e9));
  CHECK(resident.resident_bytes <= resident.planned_bytes);
  CHECK(plan_at(resident.resident_bytes, 0).streamed_bytes_per_token == 0);

  WindowShape window;
  for (uint32_t i = 0; i < 40; ++i) window.pieces.push_back({1 << 20, 1 + i, false});
  window.limit_bytes = window.slot_bytes = 1 << 20;
  shape.windows = {window};
  const uint64_t small = plan_at(1 << 30, 0).minimum_bytes + (4 << 20);
  const Plan unknown = plan_at(small, 0);
  REQUIRE(unknown.streamed_bytes_per_token > 10 << 20);
  CHECK(unknown.predicted_decode_tok_s == 0);  // the disk is not known
  const double streamed = double(unknown.streamed_bytes_per_token);
  machine.speed.disk_GB_s = 100;
  CHECK(plan_at(small, 0).predicted_decode_tok_s == 50);
  machine.speed.disk_GB_s = 1;
  CHECK(plan_at(small, 0).predicted_decode_tok_s == 1 / (streamed / 1e9 + 0.01));  // half of computing is hidden
  CHECK(plan_at(small, 2000000000).predicted_decode_tok_s == 1 / (streamed / 1e9 + 0.01));
  CHECK(plan_at(small, 1000000).predicted_decode_tok_s == 1 / (streamed / 1e6));
  CHECK(plan_at(1 << 30, 1000000).predicted_decode_tok_s == 50);
  machine.speed = {};  // only the bandwidths
  machine.disk_GB_s = 1;
  CHECK(plan_at(small, 1000000).predicted_decode_tok_s == 1e6 / streamed);
  CHECK(plan_at(small, 1000000).prediction_is_bound);
}

TEST_CASE("post-norms and row-major tables add their buffers", "[runtime][plan]") {
  ModelShape plain = synthetic(), gemma = synthetic(), table = synthetic();
  gemma.has_post_norms = true;
  table.gather_row_bytes = 640, table.gather_buffer_bytes = 5000, table.gathers_always = true;
  const uint64_t stream = uint64_t{512} * 512 * 4;
  CHECK(activation_layout(gemma, 512).total == activation_layout(plain, 512).total + 2 * stream);
  CHECK(plan_of(table, {}).part(Part::kIo) == plan_of(plain, {}).part(Part::kIo) + 8192 + 512 * 640);
}

TEST_CASE("buffers of the activation layout do not overlap", "[runtime][plan]") {
  ModelShape shape = synthetic();
  shape.has_post_norms = true;
  shape.rope_halves = {32, 32};
  const ActivationLayout at = activation_layout(shape, 7);
  const std::vector<uint64_t> places = {at.x[0],         at.x[1],        at.branch,         at.q,
                                        at.attended.f32, at.attended.q8, at.attended.scale, at.attended.sum16,
                                        at.ffn.f32,      at.ffn.q8,      at.ffn.scale,      at.ffn.sum16,
                                        at.rope_cos[0],  at.rope_sin[0], at.rope_cos[1],    at.rope_sin[1]};
  const std::vector<uint64_t> bytes = {7 * 512 * 4, 7 * 512 * 4, 7 * 512 * 4,  7 * 512 * 4, 7 * 512 * 4, 7 * 512,
                                       7 * 16 * 4,  7 * 32 * 4,  7 * 1536 * 4, 7 * 1536,    7 * 48 * 4,  7 * 96 * 4,
                                       7 * 32 * 4,  7 * 32 * 4,  7 * 32 * 4,   7 * 32 * 4};
  for (size_t i = 0; i < places.size(); ++i) {
    CHECK(places[i] % 64 == 0);
    CHECK(places[i] + bytes[i] <= (i + 1 < places.size() ? places[i + 1] : at.total));
  }
}

}  // namespace sluice
