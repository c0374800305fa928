// SPDX-License-Identifier: Apache-2.0
// Replaces operator new to count allocations and to fail the n-th one: a step allocates nothing, and a failed
// allocation anywhere between opening a model and its first token, or while a conversation is rendered, is
// SLUICE_NO_MEMORY, never the end of the program or a leak.
#include <atomic>
#include <cstdlib>
#include <new>

#include "sluice/sluice.hpp"
#include "support/catch.h"
#include "toy.h"

namespace {
std::atomic<long> g_allocations{0}, g_live{0};
std::atomic<long> g_fail_at{-1};  // counts down; the allocation that finds 0 fails
}  // namespace

static void* allocate_or_null(size_t bytes) noexcept {
  ++g_allocations;
  if (g_fail_at.load() >= 0 && g_fail_at.fetch_sub(1) == 0) return nullptr;
  void* p = std::malloc(bytes == 0 ? 1 : bytes);
  g_live += p != nullptr;
  return p;
}
static void* allocate(size_t bytes) {
  if (void* p = allocate_or_null(bytes)) return p;
  throw std::bad_alloc();
}
static void release(void* p) {
  if (p != nullptr) --g_live;
  std::free(p);
}
void* operator new(size_t bytes) { return allocate(bytes); }
void* operator new[](size_t bytes) { return allocate(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return allocate_or_null(bytes); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return allocate_or_null(bytes); }
void operator delete(void* p) noexcept { release(p); }
void operator delete(void* p, size_t) noexcept { release(p); }
void operator delete[](void* p) noexcept { release(p); }
void operator delete[](void* p, size_t) noexcept { release(p); }

namespace sluice::test {
namespace {

// Everything a program does once; the first status that is not OK.
sluice_status straight_line(const char* path) {
  sluice_error error = SLUICE_ERROR_INIT;
  sluice_model* model = nullptr;
  sluice_plan* plan = nullptr;
  sluice_engine* engine = nullptr;
  sluice_session* session = nullptr;
  sluice_text text{};
  int32_t prompt[16];
  size_t n = 0;
  const char* const stop[] = {"a stop string that is long enough to be on the heap"};
  sluice_options options = SLUICE_OPTIONS_INIT;
  options.n_threads = 2, options.n_ctx = 64;
  sluice_request request = SLUICE_REQUEST_INIT;
  request.max_tokens = 2, request.stop = stop, request.n_stop = 1, request.ignore_end = true;
  sluice_status s = sluice_model_open(path, &model, &error);
  if (s == SLUICE_OK) s = sluice_model_describe(model, &text, &error);
  sluice_text_free(&text);
  if (s == SLUICE_OK) s = sluice_tokenize(model, "hello world", 11, 0, prompt, 16, &n, &error);
  if (s == SLUICE_OK) s = sluice_plan_make(model, &options, &plan, &error);
  if (s == SLUICE_OK) s = sluice_engine_create(model, plan, nullptr, nullptr, &engine, &error);
  if (s == SLUICE_OK) s = sluice_session_create(engine, &session, &error);
  request.prompt = prompt, request.n_prompt = n;
  if (s == SLUICE_OK) s = sluice_generate(session, &request, nullptr, &error);
  sluice_session_close(session);
  sluice_engine_close(engine);
  sluice_plan_close(plan);
  sluice_model_close(model);
  return s;
}

// A conversation with tools through the model's template, and JSON and numbers read inside a template.
sluice_status rendered_chats(const sluice_model* model) {
  static constexpr std::string_view kRequests[] = {
      R"({"messages":[{"role":"system","content":"a text that is long enough to be on the heap"},
          {"role":"user","content":"é \"x\""}],"tools":[{"type":"function","function":{"name":"look up the weather",
          "parameters":{"type":"object","properties":{"place":{"type":"string","enum":["here",null,1.5,true]}}}}}]})",
      R"({"messages":[],"text":"{\"a\": [1, {\"b\": [[], {}, 2.5]}]}","numbers":["7.5","-3","x",12],
          "template":"{{ (text|from_json).a }}{% for n in numbers %}{{ n|float }}{{ n|int }}{% endfor %}{{ 2.4|round }}"})",
      // Not JSON in the middle of nested values: all that was built is given back.
      R"({"messages":[{"role":"user","content":["a text that is long enough to be on the heap",{"x":nil)"};
  sluice_error error = SLUICE_ERROR_INIT;
  for (const std::string_view& request : kRequests) {
    sluice_text prompt{};
    const sluice_status s = sluice_render_chat(model, request.data(), request.size(), &prompt, &error);
    sluice_text_free(&prompt);
    if (s != (&request == &kRequests[2] ? SLUICE_USAGE : SLUICE_OK)) return s;
  }
  return SLUICE_OK;
}

// Runs `body` with each of its allocations failing in turn: each time it says so and gives everything back.
template <class Body>
void every_failure_is_reported(const Body& body) {
  REQUIRE(body() == SLUICE_OK);
  const long start = g_allocations;
  REQUIRE(body() == SLUICE_OK);
  const long total = g_allocations - start;
  CAPTURE(total);
  REQUIRE(total > 100);
  long reported = 0;
  for (long n = 0; n < total; ++n) {
    const long live = g_live;
    g_fail_at = n;
    const sluice_status status = body();
    const bool hit = g_fail_at.exchange(-1) < 0;
    if (g_live != live) FAIL("allocation " << n << " of " << total << " left " << g_live - live << " behind");
    if (!hit) continue;
    if (status != SLUICE_NO_MEMORY) FAIL("allocation " << n << " of " << total << " gave status " << status);
    ++reported;
  }
  CHECK(reported > total / 2);
  CHECK(body() == SLUICE_OK);
}

}  // namespace

TEST_CASE("a step, its logits and the choice of a token allocate nothing", "[runtime][alloc]") {
  TemporaryFolder folder;
  for (const char* family : {"llama", "gemma3"}) {
    for (bool tied : {true, false}) {
      ToyOptions options;
      options.architecture = family, options.tied = tied;
      options.d_model = 256, options.d_ff = 512, options.n_layers = 4;  // large enough to be streamed
      const std::string path = make_toy(folder, options);
      const uint64_t least = load_toy(path, {.n_threads = 2}).engine->plan().minimum_bytes;
      for (uint64_t budget : {uint64_t{0}, least}) {  // resident, streamed
        ToyEngine toy = load_toy(path, {.n_threads = 2, .budget_bytes = budget});
        CHECK((toy.engine->plan().streamed_bytes_per_token > 0) == (budget != 0));
        const uint32_t n = std::min(40u, toy.engine->max_rows());
        const std::vector<int32_t> tokens = toy_tokens(n), history = tokens;
        SamplingOptions sampling;
        sampling.penalties.repeat = 1.1f;
        toy.session.reset();  // the budget has room for one cache
        auto cache = toy.engine->make_cache();
        auto sampler = Sampler::create(toy.engine->n_vocab(), toy.engine->plan().n_ctx, toy.engine->accountant());
        REQUIRE((cache.ok() && sampler.ok()));
        const SequenceTokens prefill{tokens, 0, &*cache}, decode{std::span(tokens).first(1), n, &*cache};
        const uint32_t last[] = {n - 1}, first[] = {0};
        const long before = g_allocations;
        bool ok = toy.engine->step({&prefill, 1}).ok() && toy.engine->logits(last).ok();
        for (int i = 0; i < 3 && ok; ++i) {
          ok = toy.engine->step({&decode, 1}).ok();
          const auto logits = toy.engine->logits(first);
          ok = ok && logits.ok() && sampler->pick(sampling, *logits, history, n + 1) >= 0;
        }
        const long after = g_allocations;
        REQUIRE(ok);
        CHECK(after - before == 0);
      }
    }
  }
}

TEST_CASE("every failed allocation from open to the first tokens is reported, none ends the program or leaks",
          "[runtime][alloc]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder);
  every_failure_is_reported([&] { return straight_line(path.c_str()); });
}

TEST_CASE("every failed allocation while a conversation is rendered is reported, none ends the program or leaks",
          "[runtime][alloc]") {
  TemporaryFolder folder;
  sluice_error error = SLUICE_ERROR_INIT;
  ModelPtr model;
  REQUIRE(sluice_model_open(make_toy(folder).c_str(), out(model), &error) == SLUICE_OK);
  every_failure_is_reported([&] { return rendered_chats(model.get()); });
}

}  // namespace sluice::test
