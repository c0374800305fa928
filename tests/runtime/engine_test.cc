// SPDX-License-Identifier: Apache-2.0
// The promises of the engine on toy models of every family: equal bits whatever the chunks, threads and instruction
// sets, and agreement with the float32 device.
#include "runtime/engine/engine.h"

#include <cmath>
#include <cstring>

#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

std::vector<ToyOptions> families() {
  std::vector<ToyOptions> all(4);
  all[0].matrix_type = toy::kQ4_1;
  all[1].architecture = "qwen2", all[1].matrix_type = toy::kQ5_0, all[1].tied = false;
  all[2].architecture = "qwen3", all[2].matrix_type = toy::kF16, all[2].head_dim = 32;
  all[3].architecture = "gemma3", all[3].matrix_type = toy::kQ8_0, all[3].n_layers = 7, all[3].n_kv_heads = 1;
  return all;
}

Logits logits_with(const std::string& path, const std::vector<int32_t>& tokens, const ToyEngineOptions& options) {
  ToyEngine toy = load_toy(path, options);
  return feed_all(*toy.session, tokens);
}

// Mean Kullback-Leibler divergence of the second from the first.
double mean_divergence(const Logits& a, const Logits& b) {
  double total = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const LogProbs pa = log_probs(a[i]), pb = log_probs(b[i]);
    for (size_t t = 0; t < a[i].size(); ++t)
      total += std::exp(pa.of(a[i][t])) * (pa.of(a[i][t]) - pb.of(b[i][t]));
  }
  return total / double(a.size());
}

}  // namespace

TEST_CASE("logits have equal bits whatever the chunks, threads and logit batches", "[runtime][engine]") {
  for (const ToyOptions& family : families()) {
    CAPTURE(family.architecture);
    TemporaryFolder folder;
    const std::string path = make_toy(folder, family);
    const std::vector<int32_t> tokens = toy_tokens(70);
    const Logits expected = logits_with(path, tokens, {.n_threads = 1, .max_rows = 512});
    for (uint32_t rows : {1u, 3u, 16u, 64u}) CHECK(equal_bits(logits_with(path, tokens, {.max_rows = rows}), expected));
    for (int threads : {2, 3}) CHECK(equal_bits(logits_with(path, tokens, {.n_threads = threads}), expected));
    CHECK(equal_bits(logits_with(path, tokens, {.n_threads = 2, .max_rows = 32, .max_logit_rows = 7}), expected));
  }
}

TEST_CASE("logits have equal bits on every instruction set of this machine", "[runtime][engine][isa]") {
  for (const ToyOptions& family : families()) {
    TemporaryFolder folder;
    const std::string path = make_toy(folder, family);
    const std::vector<int32_t> tokens = toy_tokens(40);
    const Logits expected = logits_with(path, tokens, {.isa = "scalar"});
    for (const std::string& isa : cpu_isas()) {
      CAPTURE(family.architecture, isa);
      CHECK(equal_bits(logits_with(path, tokens, {.n_threads = 2, .isa = isa}), expected));
    }
  }
}

TEST_CASE("the int8 program stays close to the float32 device", "[runtime][engine][reference]") {
  for (const ToyOptions& family : families()) {
    CAPTURE(family.architecture);
    TemporaryFolder folder;
    const std::string path = make_toy(folder, family);
    const std::vector<int32_t> tokens = toy_tokens(40);
    const Logits exact = logits_with(path, tokens, {.device = "reference"});
    const double divergence = mean_divergence(exact, logits_with(path, tokens, {}));
    CHECK(divergence < 0.01);  // random weights amplify more than trained ones
    CHECK(divergence > 0);     // two programs, not one under two names
  }
}

TEST_CASE("contexts that cross attention blocks give equal bits in any chunks", "[runtime][engine]") {
  TemporaryFolder folder;
  ToyOptions options;
  options.architecture = "gemma3", options.window = 16, options.n_layers = 6;
  const std::string path = make_toy(folder, options);
  const std::vector<int32_t> tokens = toy_tokens(300);
  const Logits expected = logits_with(path, tokens, {.max_rows = 300});
  CHECK(equal_bits(logits_with(path, tokens, {.n_threads = 2, .max_rows = 100}), expected));
  CHECK(equal_bits(logits_with(path, tokens, {.max_rows = 257}), expected));
}

TEST_CASE("several sessions in one step get the logits each gets alone", "[runtime][engine]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder);
  ToyEngine toy = load_toy(path, {.max_rows = 64, .max_logit_rows = 3});
  const std::vector<int32_t> a = toy_tokens(9, 1), b = toy_tokens(5, 2), c = toy_tokens(1, 3);
  Logits alone;
  for (const auto* tokens : {&a, &b, &c}) {
    REQUIRE(toy.session->truncate(0).ok());
    alone.push_back(feed_all(*toy.session, *tokens).back());
  }
  auto ca = toy.engine->make_cache(), cb = toy.engine->make_cache(), cc = toy.engine->make_cache();
  REQUIRE((ca.ok() && cb.ok() && cc.ok()));
  const SequenceTokens batch[] = {{a, 0, &*ca}, {b, 0, &*cb}, {c, 0, &*cc}};
  REQUIRE(toy.engine->step(batch).ok());
  const uint32_t rows[] = {8, 13, 14};
  const auto logits = toy.engine->logits(rows);
  REQUIRE(logits.ok());
  for (size_t i = 0; i < 3; ++i) {
    const auto own = logits->subspan(i * toy.engine->n_vocab(), toy.engine->n_vocab());
    CHECK(std::memcmp(own.data(), alone[i].data(), own.size_bytes()) == 0);
  }
}

TEST_CASE("an untied embedding is read row by row and gives the bits of a resident one", "[runtime][engine]") {
  TemporaryFolder folder;
  ToyOptions options;
  options.tied = false;
  const std::string path = make_toy(folder, options);
  ToyEngine toy = load_toy(path);
  const auto& embedding = toy.model->tensor(toy.model->find(fb::Role::TokenEmbedding));
  CHECK(toy.model->header().extents()->Get(embedding.extent())->access() == fb::Access::GatherRows);
  const std::vector<int32_t> tokens = toy_tokens(20);
  const Logits first = feed_all(*toy.session, tokens);   // chunks hashed at their first touch
  REQUIRE(toy.session->truncate(0).ok());
  CHECK(equal_bits(feed_all(*toy.session, tokens), first));  // rows read alone
}

TEST_CASE("the accountant ends where the plan said", "[runtime][engine][plan]") {
  TemporaryFolder folder;
  for (const ToyOptions& family : families()) {
    CAPTURE(family.architecture);
    ToyEngine toy = load_toy(make_toy(folder, family), {.n_threads = 2});
    const Plan& plan = toy.engine->plan();
    CHECK(toy.engine->accountant().peak() <= plan.planned_bytes);
    CHECK(toy.engine->accountant().peak() + 128 * 1024 >= plan.planned_bytes);  // what page borders may take
  }
}

TEST_CASE("a budget of exactly the minimum computes, with equal bits", "[runtime][engine][plan]") {
  for (const ToyOptions& family : families()) {
    CAPTURE(family.architecture);
    TemporaryFolder folder;
    const std::string path = make_toy(folder, family);
    ToyEngine free = load_toy(path);
    ToyEngine tight = load_toy(path, {.budget_bytes = free.engine->plan().minimum_bytes});
    CHECK(tight.engine->plan().max_rows == kMinRows);
    const std::vector<int32_t> tokens = toy_tokens(50);
    CHECK(equal_bits(feed_all(*tight.session, tokens), feed_all(*free.session, tokens)));
  }
}

TEST_CASE("an instruction set this CPU lacks is a clear error", "[runtime][engine]") {
  auto pool = ThreadPool::create(1);
  REQUIRE(pool.ok());
  const auto backend = create_cpu_backend("amx9", **pool);
  REQUIRE(!backend.ok());
  CHECK(backend.error().code == Code::kNoDevice);
}

}  // namespace sluice::test
