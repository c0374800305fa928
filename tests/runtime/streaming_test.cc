// SPDX-License-Identifier: Apache-2.0
// Engines whose weights do not fit their budget: the same bits as with everything resident, and faults end one request.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "faulty_source.h"
#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

// Matrices of several chunks.
ToyOptions wide_toy() {
  ToyOptions options;
  options.d_model = 1024, options.n_heads = 8, options.n_kv_heads = 4, options.d_ff = 1536, options.n_vocab = 1600;
  options.n_ctx = 128;
  return options;
}

// Matrices of one chunk; post-norms, head norms, windows.
std::vector<ToyOptions> small_toys() {
  std::vector<ToyOptions> all(3);
  all[0].matrix_type = toy::kQ4_0;
  all[1].architecture = "gemma3", all[1].n_layers = 7, all[1].n_kv_heads = 1;
  all[2].architecture = "qwen2", all[2].tied = false, all[2].matrix_type = toy::kF16;
  for (ToyOptions& options : all) options.d_model = 256, options.d_ff = 512, options.n_layers += 3;
  return all;
}

// A budget between the least and what keeps everything resident.
uint64_t budget_at(const ToyEngine& resident, uint32_t step, uint32_t n_steps) {
  const Plan& plan = resident.engine->plan();
  return plan.minimum_bytes + (plan.planned_bytes - plan.minimum_bytes) * step / n_steps;
}

// A toy's file, some tokens, and what the model says of them with all its weights in memory.
struct ResidentToy {
  explicit ResidentToy(size_t n_tokens, const ToyOptions& options = small_toys()[0])
      : path(make_toy(folder, options)),
        tokens(toy_tokens(n_tokens)),
        toy(load_toy(path)),
        expected(feed_all(*toy.session, tokens)),
        least(toy.engine->plan().minimum_bytes) {}

  TemporaryFolder folder;
  const std::string path;
  const std::vector<int32_t> tokens;
  const ToyEngine toy;
  const Logits expected;
  const uint64_t least;  // the smallest budget
};

void check_bits(const std::string& path, uint32_t n_steps, size_t n_tokens) {
  const std::vector<int32_t> tokens = toy_tokens(n_tokens);
  ToyEngine resident = load_toy(path);
  const Logits expected = feed_all(*resident.session, tokens);
  uint32_t n_streamed = 0, n_pinned = 0;
  for (uint32_t step = 0; step <= n_steps; ++step) {
    ToyEngineOptions options;
    options.budget_bytes = budget_at(resident, step, n_steps);
    options.n_threads = 1 + int(step % 3);
    options.window_slots = step % 4 == 0 ? 0 : 1 + step % 8;
    options.max_logit_rows = 1 + step % 3;
    FaultySource callback(path);
    if (step % 3 == 2) options.source = callback.source;
    CAPTURE(step, options.budget_bytes, options.n_threads, options.window_slots);
    ToyEngine toy = load_toy(path, options);
    const Plan& plan = toy.engine->plan();
    CAPTURE(plan.window.n_slots, plan.window.slot_bytes, plan.streamed_bytes_per_token, plan.max_rows);
    CHECK(equal_bits(feed_all(*toy.session, tokens), expected));
    // Decoding: one token a step, and logits that nobody asked for or that are asked for twice.
    REQUIRE(toy.session->truncate(n_tokens / 2).ok());
    const std::span<const int32_t> rest = std::span(tokens).subspan(n_tokens / 2);
    for (size_t i = 0; i < rest.size() && i < 5; ++i) {
      std::vector<float> logits;
      const auto take = [&](size_t, std::span<const float> got) { return logits.assign(got.begin(), got.end()), true; };
      REQUIRE(toy.session->feed(rest.subspan(i, 1), {}, i == 1 ? Session::OnLogits() : take).ok());
      if (i == 1) continue;
      CHECK(equal_bits({logits}, {expected[n_tokens / 2 + i]}));
    }
    CHECK(toy.engine->accountant().peak() <= plan.budget_bytes);
    n_streamed += plan.streamed_bytes_per_token > 0;
    n_pinned += plan.streamed_bytes_per_token > 0 && plan.part(Part::kWeights) > 100000;
  }
  CHECK(n_streamed >= 2);
  CHECK((n_pinned > 0 || n_steps < 8));
}

}  // namespace

TEST_CASE("logits have equal bits for every budget, window, thread count and way to read", "[runtime][streaming]") {
  TemporaryFolder folder;
  check_bits(make_toy(folder, wide_toy()), 12, 40);
}

TEST_CASE("every family streams with the bits of the resident model", "[runtime][streaming]") {
  for (const ToyOptions& family : small_toys()) {
    CAPTURE(family.architecture);
    TemporaryFolder folder;
    check_bits(make_toy(folder, family), 6, 50);
  }
}

TEST_CASE("the float32 device streams too", "[runtime][streaming][reference]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder, small_toys()[0]);
  const std::vector<int32_t> tokens = toy_tokens(12);
  ToyEngine resident = load_toy(path, {.device = "reference"});
  ToyEngine toy = load_toy(path, {.budget_bytes = resident.engine->plan().minimum_bytes, .device = "reference"});
  CHECK(toy.engine->plan().streamed_bytes_per_token > 0);
  CHECK(equal_bits(feed_all(*toy.session, tokens), feed_all(*resident.session, tokens)));
}

TEST_CASE("a failed read or a damaged chunk fails the request, and the next one is right", "[runtime][streaming]") {
  const ResidentToy resident(6);
  int64_t n_failed = 0;
  for (const auto kind : {FaultySource::Fault::kFail, FaultySource::Fault::kFlip})
    for (int64_t at = 0; at < 12; ++at) {
      CAPTURE(int(kind), at);
      FaultySource faulty(resident.path);
      ToyEngine toy = load_toy(resident.path, {.budget_bytes = resident.least, .source = faulty.source});
      REQUIRE(toy.engine->plan().streamed_bytes_per_token > 0);
      faulty.fail_at(at, kind, 1000000);
      const Status failed = toy.session->feed(resident.tokens, {}, [](size_t, std::span<const float>) { return true; });
      const bool unseen = failed.ok();  // a flip in what had been checked before is not looked for
      CHECK((!unseen || kind == FaultySource::Fault::kFlip));
      if (!unseen) {
        CHECK(failed.error().code == (kind == FaultySource::Fault::kFail ? Code::kFailed : Code::kBadModel));
        CHECK(failed.error().offset != kNoOffset);
        CHECK(toy.session->tokens().size() < resident.tokens.size());
        ++n_failed;
      }
      faulty.heal();
      REQUIRE(toy.session->truncate(0).ok());
      if (unseen) continue;
      CHECK(equal_bits(feed_all(*toy.session, resident.tokens), resident.expected));
    }
  CHECK(n_failed > 15);
}

TEST_CASE("a step that is cancelled in the middle leaves a session that goes on with equal bits",
          "[runtime][streaming]") {
  const ResidentToy resident(8);
  ToyEngine toy = load_toy(resident.path, {.budget_bytes = resident.least});
  REQUIRE(toy.engine->plan().streamed_bytes_per_token > 0);
  toy.session.reset();  // the budget has room for one cache
  {
    auto cache = toy.engine->make_cache();
    REQUIRE(cache.ok());
    const SequenceTokens rows{resident.tokens, 0, &*cache};
    for (int asked = 1; asked <= 4; ++asked) {
      int left = asked;
      const Status status = toy.engine->step({&rows, 1}, [&] { return --left == 0; });
      REQUIRE(!status.ok());
      CHECK(status.error().code == Code::kCancelled);
    }
  }
  toy.session = Session::create(*toy.engine).value();
  CHECK(equal_bits(feed_all(*toy.session, resident.tokens), resident.expected));
}

TEST_CASE("an engine can be closed while weights are being read", "[runtime][streaming]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder, small_toys()[0]);
  const uint64_t least = load_toy(path).engine->plan().minimum_bytes;
  FaultySource slow(path);
  for (int i = 0; i < 3; ++i) {
    ToyEngine toy = load_toy(path, {.budget_bytes = least, .source = slow.source});
    REQUIRE(toy.engine->plan().streamed_bytes_per_token > 0);
    const std::vector<int32_t> tokens = toy_tokens(3);
    REQUIRE(toy.session->feed(tokens, {}, [&](size_t, std::span<const float>) { return slow.block(true), true; }).ok());
    std::thread closer([&] { toy.session.reset(), toy.engine.reset(); });
    slow.block(false);
    closer.join();
  }
}

namespace {

void write_bytes(const std::string& path, uint64_t offset, std::span<const char> bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(std::streamoff(offset));
  file.write(bytes.data(), std::streamsize(bytes.size()));
  REQUIRE(file.good());
}

}  // namespace

TEST_CASE("a file that is changed, cut or replaced while it is in use never gives wrong bits", "[runtime][streaming]") {
  ToyOptions options = small_toys()[0];
  options.tied = GENERATE(true, false);
  const ResidentToy resident(6, options);
  ToyEngine toy = load_toy(resident.path, {.budget_bytes = resident.least});
  REQUIRE(toy.engine->plan().streamed_bytes_per_token > 0);
  const auto right_again = [&] {
    REQUIRE(toy.session->truncate(0).ok());
    return equal_bits(feed_all(*toy.session, resident.tokens), resident.expected);
  };
  const auto fails = [&] {
    REQUIRE(toy.session->truncate(0).ok());
    const Status status = toy.session->feed(resident.tokens, {}, [](size_t, std::span<const float>) { return true; });
    return !status.ok() && status.error().code == Code::kBadModel && toy.session->tokens().empty();
  };
  REQUIRE(right_again());
  const std::string whole = read_small_file(resident.path, 64 << 20).value();
  for (const char* name : {"blk.0.attn_q.weight", "blk.3.ffn_down.weight"}) {
    const uint32_t chunk =
        tensor_place(toy.model->header(), toy.model->find(std::string_view(name))).member.first_chunk;
    const uint64_t at = toy.model->header().chunks()->Get(chunk)->offset() + 40;
    const char flipped = char(whole[at] ^ 16);
    write_bytes(resident.path, at, {&flipped, 1});
    CHECK(fails());
    CHECK(fails());
    write_bytes(resident.path, at, {&whole[at], 1});
    CHECK(right_again());
  }
  std::filesystem::last_write_time(resident.path, std::filesystem::file_time_type::clock::now());  // touched only
  CHECK(right_again());
  std::filesystem::resize_file(resident.path, whole.size() / 2);
  CHECK(fails());
  write_bytes(resident.path, 0, whole);
  CHECK(right_again());
  const std::string other = "no model";
  REQUIRE(write_small_file(resident.path, std::as_bytes(std::span(other.data(), other.size())))
              .ok());  // another file's name now
  CHECK(right_again());
}

TEST_CASE("a limit on reads is kept, also by a changed budget, and changes no bits", "[runtime][streaming]") {
  const ResidentToy resident(4);
  constexpr uint64_t kLimit = 8 << 20;
  ToyEngine toy = load_toy(resident.path, {.budget_bytes = resident.least, .io_limit = kLimit});
  const auto check_rate = [&] {
    const uint64_t burst = 2 * toy.engine->plan().window.slot_bytes, before = toy.engine->streamed_bytes();
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 2; ++i) {
      REQUIRE(toy.session->truncate(0).ok());
      CHECK(equal_bits(feed_all(*toy.session, resident.tokens), resident.expected));
    }
    const uint64_t bytes = toy.engine->streamed_bytes() - before;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    REQUIRE(bytes > 2 * burst);
    CHECK(double(bytes - burst) <= seconds * double(kLimit));
  };
  check_rate();
  REQUIRE(toy.engine->trim(resident.least + (resident.least >> 6)).ok());
  REQUIRE(toy.engine->plan().streamed_bytes_per_token > 0);
  CHECK(toy.engine->plan().io_limit == kLimit);
  check_rate();
}

TEST_CASE("a model that fits is never streamed", "[runtime][streaming]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder);
  ToyEngine free = load_toy(path);
  CHECK(free.engine->plan().streamed_bytes_per_token == 0);
  CHECK(free.engine->streamed_bytes() == 0);
  ToyEngine exact = load_toy(path, {.budget_bytes = free.engine->plan().planned_bytes});
  CHECK(exact.engine->plan().streamed_bytes_per_token == 0);
  CHECK(exact.engine->plan().strict_budget);
}

}  // namespace sluice::test
