// SPDX-License-Identifier: Apache-2.0
// Files that were damaged after they were written: the engine says which tensor and where.
#include <filesystem>
#include <fstream>

#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

// Changes one byte in the middle of the chunk that begins a tensor.
void damage(const std::string& path, const Model& model, const char* tensor) {
  const fb::Tensor& t = model.tensor(model.find(std::string_view(tensor)));
  const auto* extent = model.header().extents()->Get(t.extent());
  const auto* chunk = model.header().chunks()->Get(extent->first_chunk());
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const auto at = std::streamoff(chunk->offset() + chunk->bytes() / 2);
  file.seekg(at);
  const char c = char(file.get());
  file.seekp(at);
  file.put(char(c ^ 0x10));
}

Plan plan_for(const Model& model) {
  const auto tensors = find_tensors(model);
  REQUIRE(tensors.ok());
  const DeviceProfile device{"cpu", KvType::kQ8, [](const StepLimits&) { return uint64_t{1} << 24; }};
  auto plan = make_plan(shape_of(model, *tensors), {}, {uint64_t{1} << 30, 2}, device);
  REQUIRE(plan.ok());
  return *plan;
}

std::shared_ptr<const Model> open(const std::string& path) {
  auto model = Model::open(*FileSource::open(path));
  REQUIRE(model.ok());
  return *model;
}

}  // namespace

TEST_CASE("a damaged matrix or norm is refused at load, with its name and offset", "[runtime][damage]") {
  for (const char* tensor : {"blk.1.ffn_down.weight", "blk.0.attn_norm.weight", "blk.0.ffn_up.weight"}) {
    CAPTURE(tensor);
    TemporaryFolder folder;
    const std::string path = make_toy(folder);
    const auto model = open(path);
    damage(path, *model, tensor);
    const auto engine = Engine::create(model, plan_for(*model), nullptr);
    REQUIRE(!engine.ok());
    CHECK(engine.error().code == Code::kBadModel);
    CHECK(engine.error().place == path);
    CHECK(engine.error().offset != kNoOffset);
    CHECK(engine.error().message.find(tensor) != std::string::npos);
  }
}

TEST_CASE("a damaged row-major table is refused when a row of it is first touched", "[runtime][damage]") {
  TemporaryFolder folder;
  ToyOptions options;
  options.tied = false;
  const std::string path = make_toy(folder, options);
  damage(path, *open(path), "token_embd.weight");
  ToyEngine toy = load_toy(path);
  const std::vector<int32_t> tokens = {5, 6};
  const Status status = toy.session->feed(tokens, {}, nullptr);
  REQUIRE(!status.ok());
  CHECK(status.error().code == Code::kBadModel);
  CHECK(toy.session->tokens().empty());
}

TEST_CASE("a file that shrank after it was opened is an error", "[runtime][damage]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder);
  const auto model = open(path);
  const auto* chunks = model->header().chunks();
  std::filesystem::resize_file(path, chunks->Get(chunks->size() - 1)->offset());
  const auto engine = Engine::create(model, plan_for(*model), nullptr);
  REQUIRE(!engine.ok());
  CHECK(engine.error().code == Code::kBadModel);
}

TEST_CASE("loading tells its progress and can be cancelled", "[runtime][damage]") {
  TemporaryFolder folder;
  const auto model = open(make_toy(folder));
  uint64_t last = 0, total = 0;
  const auto watch = [&](uint64_t done, uint64_t all) { return last = done, total = all, true; };
  REQUIRE(Engine::create(model, plan_for(*model), watch).ok());
  CHECK(last > 0);
  CHECK(last <= total);
  const auto stopped = Engine::create(model, plan_for(*model), [](uint64_t, uint64_t) { return false; });
  REQUIRE(!stopped.ok());
  CHECK(stopped.error().code == Code::kCancelled);
}

TEST_CASE("a plan that does not fit is refused with the numbers that would", "[runtime][plan]") {
  TemporaryFolder folder;
  const auto model = open(make_toy(folder));
  Plan plan = plan_for(*model);
  plan.budget_bytes = plan.planned_bytes - 1;
  const auto engine = Engine::create(model, plan, nullptr);
  REQUIRE(!engine.ok());
  CHECK(engine.error().code == Code::kNoFit);
  CHECK(engine.error().message.find(std::to_string(plan.minimum_bytes)) != std::string::npos);
}

}  // namespace sluice::test
