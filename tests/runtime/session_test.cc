// SPDX-License-Identifier: Apache-2.0
#include "runtime/session/session.h"

#include "support/catch.h"
#include "toy.h"

namespace sluice::test {

TEST_CASE("forgetting tokens and feeding them again gives equal logits", "[runtime][session]") {
  TemporaryFolder folder;
  ToyEngine toy = load_toy(make_toy(folder));
  const std::vector<int32_t> tokens = toy_tokens(40), other = toy_tokens(30, 9);
  const auto first = feed_all(*toy.session, tokens);
  REQUIRE(toy.session->truncate(10).ok());
  feed_all(*toy.session, other);  // writes over what was forgotten
  REQUIRE(toy.session->truncate(10).ok());
  const auto again = feed_all(*toy.session, {tokens.begin() + 10, tokens.end()});
  CHECK(toy.session->tokens().size() == 40);
  for (size_t i = 0; i < again.size(); ++i) REQUIRE(again[i] == first[10 + i]);
}

TEST_CASE("only the rows asked for come, in order", "[runtime][session]") {
  TemporaryFolder folder;
  ToyEngine toy = load_toy(make_toy(folder), {.max_rows = 4, .max_logit_rows = 2});
  const std::vector<int32_t> tokens = toy_tokens(11);
  const auto all = feed_all(*toy.session, tokens);
  REQUIRE(toy.session->truncate(0).ok());
  bool wants[11] = {};
  wants[0] = wants[2] = wants[3] = wants[7] = wants[10] = true;
  std::vector<size_t> seen;
  const auto check = [&](size_t index, std::span<const float> logits) {
    seen.push_back(index);
    return std::equal(logits.begin(), logits.end(), all[index].begin());
  };
  CHECK(toy.session->feed(tokens, wants, check).ok());
  CHECK(seen == std::vector<size_t>{0, 2, 3, 7, 10});
}

TEST_CASE("a context that would overflow is refused before anything is fed", "[runtime][session]") {
  TemporaryFolder folder;
  ToyEngine toy = load_toy(make_toy(folder), {.n_ctx = 20});
  feed_all(*toy.session, toy_tokens(15));
  const Status status = toy.session->feed(toy_tokens(6), {}, nullptr);
  REQUIRE(!status.ok());
  CHECK(status.error().code == Code::kUsage);
  CHECK(toy.session->tokens().size() == 15);
  CHECK(toy.session->feed(toy_tokens(5), {}, nullptr).ok());
}

TEST_CASE("tokens outside the vocabulary are refused", "[runtime][session]") {
  TemporaryFolder folder;
  ToyEngine toy = load_toy(make_toy(folder));
  for (int32_t bad : {-1, 320, 1 << 30}) {
    const std::vector<int32_t> tokens = {5, bad};
    CHECK(toy.session->feed(tokens, {}, nullptr).error().code == Code::kUsage);
    CHECK(toy.session->tokens().empty());
  }
}

TEST_CASE("truncating beyond what is held is refused", "[runtime][session]") {
  TemporaryFolder folder;
  ToyEngine toy = load_toy(make_toy(folder));
  feed_all(*toy.session, toy_tokens(3));
  CHECK(toy.session->truncate(4).error().code == Code::kUsage);
  CHECK(toy.session->truncate(3).ok());
}

TEST_CASE("a cancelled feed keeps the chunks that were done", "[runtime][session]") {
  TemporaryFolder folder;
  ToyEngine toy = load_toy(make_toy(folder), {.max_rows = 4});
  const std::vector<int32_t> tokens = toy_tokens(12);
  const auto cancel = [&](size_t done, size_t) {
    if (done == 8) toy.session->cancel();
    return true;
  };
  CHECK(toy.session->feed(tokens, {}, nullptr, [](size_t done, size_t) { return done < 4; }).error().code ==
        Code::kCancelled);
  CHECK(toy.session->tokens().size() == 4);
  REQUIRE(toy.session->truncate(0).ok());
  CHECK(toy.session->feed(tokens, {}, nullptr, cancel).error().code == Code::kCancelled);
  CHECK(toy.session->tokens().size() == 8);
  CHECK(!toy.session->take_cancel());  // heard once
}

TEST_CASE("a cancel is heard between the layers of a large chunk, and nothing of that chunk is held", "[runtime][session]") {
  TemporaryFolder folder;
  ToyOptions options;
  options.n_layers = 5;
  ToyEngine toy = load_toy(make_toy(folder, options), {.n_ctx = 128, .max_rows = 128});
  const auto cache = toy.engine->make_cache();
  REQUIRE(cache.ok());
  const std::vector<int32_t> tokens = toy_tokens(100);
  int asked = 0;
  const auto step = [&](uint32_t n_rows, int stop_at) {
    asked = 0;
    const SequenceTokens rows{std::span(tokens).first(n_rows), 0, &*cache};
    return toy.engine->step({&rows, 1}, [&] { return ++asked == stop_at; });
  };
  CHECK(step(Engine::kManyRows, 0).ok());
  CHECK(asked >= 5);
  CHECK(step(Engine::kManyRows, 3).error().code == Code::kCancelled);
  CHECK(asked == 3);
  CHECK(step(Engine::kManyRows - 1, 1).ok());
  CHECK(asked == 0);

  toy.session->cancel();
  CHECK(toy.session->feed(tokens, {}, nullptr).error().code == Code::kCancelled);
  CHECK(toy.session->tokens().empty());
  // What was stopped leaves no trace in what comes after.
  const auto again = feed_all(*toy.session, tokens);
  ToyEngine fresh = load_toy(make_toy(folder, options), {.n_ctx = 128, .max_rows = 128});
  CHECK(again.back() == feed_all(*fresh.session, tokens).back());
}

}  // namespace sluice::test
