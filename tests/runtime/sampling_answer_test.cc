// SPDX-License-Identifier: Apache-2.0
// Samplers inside an answer: what they carry from token to token, and that an answer cut anywhere goes on as it would
// have.
#include "runtime/session/generate.h"
#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

struct Fixture {
  TemporaryFolder folder;
  ToyEngine toy = load_toy(make_toy(folder), {.n_ctx = 128, .max_rows = 16});

  GenerateRequest request;
  std::vector<int32_t> prompt = toy_tokens(20);
  Fixture() {
    request.ignore_end = true;
    request.sampling.seed = 5, request.sampling.temp = 1.5f;
  }
  // Appends the answer to the prompt.
  GenerateResult answer(uint64_t n) {
    request.prompt = prompt, request.max_tokens = n;
    std::vector<int32_t> tokens;
    request.on_token = [&](int32_t token, std::string_view, const TokenLogProbs*) {
      tokens.push_back(token);
      return true;
    };
    auto result = generate(*toy.session, request);
    REQUIRE(result.ok());
    prompt.insert(prompt.end(), tokens.begin(), tokens.end());
    return *result;
  }
  // An answer at once, and the same one in two pieces, in a fresh session.
  void check_cuts() {
    const std::vector<int32_t> start = prompt;
    const float mu = answer(30).mirostat_mu;
    const std::vector<int32_t> whole = prompt;
    for (uint64_t cut : {1u, 12u, 29u}) {
      REQUIRE(toy.session->truncate(0).ok());
      prompt = start, request.mirostat_mu = 0;
      request.mirostat_mu = answer(cut).mirostat_mu;
      REQUIRE(toy.session->truncate(0).ok());  // as after a restart
      CHECK(answer(30 - cut).mirostat_mu == mu);
      CHECK(prompt == whole);
    }
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "an answer with mirostat that was cut goes on with the same draws", "[runtime][sampling]") {
  for (int32_t version : {1, 2}) {
    request.sampling.mirostat = {version, 4, 0.3f};
    request.mirostat_mu = 0;
    prompt.resize(20);
    check_cuts();
    CHECK(request.mirostat_mu != 0);
  }
}

TEST_CASE_METHOD(Fixture, "mirostat's bound lives as long as an answer", "[runtime][sampling]") {
  request.sampling.mirostat = {2, 4, 1};
  const std::vector<int32_t> start = prompt;
  answer(20);
  const std::vector<int32_t> first = prompt;
  prompt = start;
  answer(20);
  CHECK(prompt == first);  // nothing was left in the session
  prompt = start, request.mirostat_mu = 1;
  answer(20);
  CHECK(prompt != first);
}

TEST_CASE_METHOD(Fixture, "an answer with every other sampler that was cut goes on with the same draws",
                 "[runtime][sampling]") {
  SamplingOptions& s = request.sampling;
  s.top_k = 0, s.typical = 0.95f, s.top_h = 0.95f, s.top_n_sigma = 3, s.xtc = {0.5f, 0.01f};
  s.dynamic_temp = {0.5f, 1}, s.dry = {1, 1.75f, 1, 64}, s.penalties.presence = 0.5f;
  check_cuts();
}

TEST_CASE_METHOD(Fixture, "DRY keeps an answer from going round in circles, up to a breaker", "[runtime][sampling]") {
  const Tokenizer& tokenizer = toy.model->tokenizer();
  std::vector<int32_t> a;
  tokenizer.encode("a", {}, a);
  REQUIRE(a.size() == 1);
  request.sampling.temp = 0;
  const TokenBias bias[] = {{a[0], 1000}};
  request.sampling.bias = bias;
  const std::vector<int32_t> start = prompt;
  answer(20);
  CHECK(std::vector<int32_t>(prompt.begin() + 20, prompt.end()) == std::vector<int32_t>(20, a[0]));
  request.sampling.dry = {2000, 1, 2, 64};
  prompt = start;
  answer(20);
  CHECK(std::vector<int32_t>(prompt.begin() + 20, prompt.begin() + 23) == std::vector<int32_t>(3, a[0]));
  CHECK(std::count(prompt.begin() + 20, prompt.end(), a[0]) < 20);
  request.dry_breakers = {"a"};  // a token that breaks is never punished
  prompt = start;
  answer(20);
  CHECK(std::count(prompt.begin() + 20, prompt.end(), a[0]) == 20);
}

}  // namespace sluice::test
