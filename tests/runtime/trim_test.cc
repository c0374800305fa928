// SPDX-License-Identifier: Apache-2.0
// Budgets that change while an engine lives: bits stay, and what the accountant counts never exceeds the budget.
#include <cstring>
#include <random>
#include <thread>

#include "faulty_source.h"
#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

ToyOptions toy_options(const char* architecture, bool tied) {
  ToyOptions options;
  options.architecture = architecture, options.tied = tied;
  options.d_model = 256, options.d_ff = 512, options.n_layers = 5;
  return options;
}

constexpr uint32_t kRows = 16;

// A budget anywhere from a little below the least to a little above what keeps everything resident.
uint64_t any_budget(const Plan& resident, std::mt19937& random) {
  const uint64_t least = resident.minimum_bytes, span = resident.planned_bytes - least;
  return least - span / 8 + uint64_t(random() % 1000) * (span + span / 4) / 1000;
}

// Feeds n tokens of the list after those that are held, and compares.
bool feeds_right(Session& session, const std::vector<int32_t>& tokens, const Logits& expected, size_t n) {
  const size_t first = session.tokens().size();
  n = std::min(n, tokens.size() - first);
  const Logits got = feed_all(session, {tokens.begin() + ptrdiff_t(first), tokens.begin() + ptrdiff_t(first + n)});
  for (size_t i = 0; i < n; ++i)
    if (std::memcmp(got[i].data(), expected[first + i].data(), got[i].size() * sizeof(float)) != 0) return false;
  return got.size() == n;
}

}  // namespace

TEST_CASE("hundreds of budgets in one run: none is exceeded, and all bits stay", "[runtime][trim]") {
  for (const auto& [architecture, tied] :
       {std::pair("llama", true), std::pair("qwen2", false), std::pair("gemma3", true)}) {
    CAPTURE(architecture);
    TemporaryFolder folder;
    const std::string path = make_toy(folder, toy_options(architecture, tied));
    const std::vector<int32_t> tokens = toy_tokens(60);
    ToyEngine resident = load_toy(path, {.n_threads = 2, .max_rows = kRows});
    const Plan& whole = resident.engine->plan();
    const Logits expected = feed_all(*resident.session, tokens);
    ToyEngine toy = load_toy(path, {.n_threads = 2, .max_rows = kRows, .budget_bytes = whole.planned_bytes});
    Engine& engine = *toy.engine;
    std::mt19937 random(3);
    int n_refused = 0, n_streamed = 0, n_resident = 0;
    for (int change = 0; change < 250; ++change) {
      const uint64_t budget = any_budget(whole, random), before = engine.plan().budget_bytes;
      const uint64_t used = engine.accountant().used();
      CAPTURE(change, budget, before);
      const Status status = engine.trim(budget);
      if (budget < whole.minimum_bytes) {
        REQUIRE(!status.ok());
        CHECK(status.error().code == Code::kNoFit);
        CHECK(status.error().message.find(std::to_string(whole.minimum_bytes)) != std::string::npos);
        CHECK(engine.plan().budget_bytes == before);
        CHECK(engine.accountant().used() == used);
        ++n_refused;
      } else {
        if (!status.ok()) FAIL(status.error().text());
        CHECK(engine.plan().budget_bytes == budget);
        CHECK(engine.accountant().budget() == budget);
        (engine.plan().streamed_bytes_per_token > 0 ? n_streamed : n_resident) += 1;
      }
      CHECK(engine.accountant().used() <= engine.plan().planned_bytes);
      if (toy.session->tokens().size() == tokens.size()) REQUIRE(toy.session->truncate(random() % 8).ok());
      REQUIRE(feeds_right(*toy.session, tokens, expected, 1 + random() % (change % 5 == 0 ? 20 : 3)));
      CHECK(engine.accountant().peak() <= engine.plan().budget_bytes);
    }
    CHECK((n_refused > 5 && n_streamed > 50 && n_resident > 5));
    // Back where it began.
    REQUIRE(engine.trim(whole.planned_bytes).ok());
    CHECK(engine.plan().streamed_bytes_per_token == 0);
    REQUIRE(toy.session->truncate(0).ok());
    CHECK(feeds_right(*toy.session, tokens, expected, tokens.size()));
  }
}

TEST_CASE("budgets that other threads ask for are served in the middle of steps", "[runtime][trim]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder, toy_options("llama", true));
  const std::vector<int32_t> tokens = toy_tokens(120);
  ToyEngine resident = load_toy(path, {.n_ctx = 128});
  const Plan whole = resident.engine->plan();
  const Logits expected = feed_all(*resident.session, tokens);
  ToyEngine toy = load_toy(path, {.n_ctx = 128, .max_rows = whole.max_rows, .budget_bytes = whole.planned_bytes});
  std::atomic<int> n_running{2};
  std::atomic<bool> all_right{true};
  const auto ask = [&](uint32_t seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 60; ++i) {
      TrimRequests::Request request{any_budget(whole, random)};
      toy.engine->trims().post(request);
      while (!toy.engine->trims().wait(request, std::chrono::milliseconds(5))) {
      }
      if (!request.status.ok() && request.status.error().code != Code::kNoFit) all_right = false;
    }
    --n_running;
  };
  std::thread first(ask, 1), second(ask, 2);
  bool equal = true;
  for (size_t n = 1; n_running > 0; n = n * 7 % 113) {
    if (toy.session->tokens().size() == tokens.size()) equal = toy.session->truncate(0).ok() && equal;
    equal = feeds_right(*toy.session, tokens, expected, n) && equal;
  }
  first.join(), second.join();
  CHECK(all_right);
  CHECK(equal);
  CHECK(toy.engine->accountant().peak() <= toy.engine->plan().budget_bytes);
}

TEST_CASE("a budget that cannot be filled because reading fails is tried again by the next step", "[runtime][trim]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder, toy_options("qwen2", false));
  const std::vector<int32_t> tokens = toy_tokens(20);
  ToyEngine resident = load_toy(path, {.max_rows = kRows});
  const Plan& whole = resident.engine->plan();
  const Logits expected = feed_all(*resident.session, tokens);
  FaultySource faulty(path);
  ToyEngine toy = load_toy(path, {.max_rows = kRows, .budget_bytes = whole.minimum_bytes, .source = faulty.source});
  REQUIRE(feeds_right(*toy.session, tokens, expected, 5));
  for (const uint64_t budget : {(whole.minimum_bytes + whole.planned_bytes) / 2, whole.planned_bytes}) {
    faulty.fail_at(0, FaultySource::Fault::kFail, 1000000);
    const Status status = toy.engine->trim(budget);
    REQUIRE(!status.ok());
    CHECK(status.error().code == Code::kFailed);
    CHECK(toy.engine->plan().budget_bytes == budget);
    const size_t held = toy.session->tokens().size();
    const Status step = toy.session->feed(std::span(tokens).subspan(held, 1), {}, nullptr);
    REQUIRE(!step.ok());
    CHECK(step.error().code == Code::kFailed);
    CHECK(toy.session->tokens().size() == held);
    faulty.heal();
    REQUIRE(feeds_right(*toy.session, tokens, expected, 5));
    CHECK(toy.engine->accountant().peak() <= budget);
  }
  CHECK(toy.engine->plan().streamed_bytes_per_token == 0);
}

TEST_CASE("a budget leaves room for every session there is, and for the one there may be", "[runtime][trim]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder, toy_options("llama", true));
  const std::vector<int32_t> tokens = toy_tokens(30);
  ToyEngine toy = load_toy(path, {.max_rows = kRows});
  const Logits expected = feed_all(*toy.session, tokens);
  const Plan whole = toy.engine->plan();
  Engine& engine = *toy.engine;
  const uint64_t session = session_bytes(shape_of(*toy.model, *find_tensors(*toy.model)), whole.kv_type, whole.n_ctx);
  auto second = Session::create(engine), third = Session::create(engine);
  REQUIRE((second.ok() && third.ok()));
  CHECK(engine.trim(whole.minimum_bytes).error().code == Code::kNoFit);
  CHECK(engine.trim(whole.minimum_bytes + 2 * session - 1).error().code == Code::kNoFit);
  REQUIRE(engine.trim(whole.minimum_bytes + 2 * session).ok());
  CHECK(engine.plan().streamed_bytes_per_token > 0);
  REQUIRE(toy.session->truncate(0).ok());
  CHECK(feeds_right(*toy.session, tokens, expected, 30));
  CHECK(feeds_right(**second, tokens, expected, 30));
  second->reset(), third->reset(), toy.session.reset();
  REQUIRE(engine.trim(whole.minimum_bytes).ok());
  second = Session::create(engine);
  REQUIRE(second.ok());
  CHECK(feeds_right(**second, tokens, expected, 30));
  CHECK(Session::create(engine).error().code == Code::kNoFit);
}

TEST_CASE("weights that are streamed make room for what is collected of their inputs", "[runtime][trim]") {
  TemporaryFolder folder;
  ToyOptions options = toy_options("llama", false);
  options.d_model = 512, options.d_ff = 4096;
  const std::string path = make_toy(folder, options);
  ToyEngine resident = load_toy(path, {.max_rows = kRows, .device = "reference"});
  const Plan& whole = resident.engine->plan();
  ToyEngine toy = load_toy(
      path,
      {.max_rows = kRows, .budget_bytes = (whole.minimum_bytes + whole.planned_bytes) / 2, .device = "reference"});
  const uint64_t before = toy.engine->plan().streamed_bytes_per_token;
  toy.session.reset();
  REQUIRE(before > 0);
  REQUIRE(toy.engine->collect_inputs().ok());
  CHECK(toy.engine->plan().streamed_bytes_per_token > before);
  toy.session = Session::create(*toy.engine).value();
  CHECK(feed_all(*toy.session, toy_tokens(5)) == feed_all(*resident.session, toy_tokens(5)));
  CHECK(toy.engine->accountant().peak() <= toy.engine->plan().budget_bytes);
}

}  // namespace sluice::test
