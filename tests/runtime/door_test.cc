// SPDX-License-Identifier: Apache-2.0
// The public door: wrong arguments, sizes of structs, defaults, texts.
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "sluice/convert.h"
#include "sluice/sluice.hpp"
#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

struct Opened {
  TemporaryFolder folder;
  std::string path;
  sluice_error error = SLUICE_ERROR_INIT;
  ModelPtr model;
  PlanPtr plan;
  EnginePtr engine;
  SessionPtr session;
  explicit Opened(const ToyOptions& toy = {}, uint32_t max_rows = 0) : path(make_toy(folder, toy)) {
    REQUIRE(sluice_model_open(path.c_str(), out(model), &error) == SLUICE_OK);
    sluice_options options = SLUICE_OPTIONS_INIT;
    options.n_ctx = 64, options.max_rows = max_rows;
    REQUIRE(sluice_plan_make(model.get(), &options, out(plan), &error) == SLUICE_OK);
    REQUIRE(sluice_engine_create(model.get(), plan.get(), nullptr, nullptr, out(engine), &error) == SLUICE_OK);
    REQUIRE(sluice_session_create(engine.get(), out(session), &error) == SLUICE_OK);
  }
};

// With weights that are most of what it takes.
struct OpenedLarge : Opened {
  OpenedLarge() : Opened(toy(), 16) {}
  static ToyOptions toy() {
    ToyOptions options;
    options.d_model = 256, options.d_ff = 512, options.n_layers = 6;
    return options;
  }
};

}  // namespace

TEST_CASE("the log sink hears what was opened and how it is computed", "[runtime][door]") {
  std::vector<std::string> heard;
  const auto sink = [](void* user, sluice_log_level level, const char* text) {
    static_cast<std::vector<std::string>*>(user)->push_back(std::to_string(level) + " " + text);
  };
  sluice_set_log(sink, &heard, SLUICE_LOG_INFO);
  { const Opened opened; }
  sluice_set_log(sink, &heard, SLUICE_LOG_WARNING);
  { const Opened quiet; }
  sluice_set_log(nullptr, nullptr, SLUICE_LOG_WARNING);
  REQUIRE(heard.size() == 2);
  CHECK(heard[0].find("parameters") != std::string::npos);
  CHECK(heard[1].find("computed by cpu") != std::string::npos);
  CHECK(heard[1].find("context 64") != std::string::npos);
}

TEST_CASE("a cancel that finds nothing running is forgotten", "[runtime][door]") {
  Opened opened;
  sluice_session_cancel(opened.session.get());
  const int32_t tokens[] = {1, 2, 3};
  CHECK(sluice_session_feed(opened.session.get(), tokens, 3, nullptr, nullptr, nullptr, &opened.error) == SLUICE_OK);
  CHECK(sluice_session_length(opened.session.get()) == 3);
}

TEST_CASE_METHOD(OpenedLarge, "a budget changes between calls, out of callbacks and beside a call, and tokens stay",
                 "[runtime][door]") {
  const int32_t prompt[] = {4, 5, 6, 7};
  sluice_sampling greedy = SLUICE_SAMPLING_INIT;
  struct User {
    sluice_engine* engine;
    uint64_t budget = 0;
    std::vector<int32_t> tokens{};
    std::vector<sluice_status> trims{};
  } user{engine.get()};
  sluice_request request = SLUICE_REQUEST_INIT;
  request.prompt = prompt, request.n_prompt = 4, request.max_tokens = 40, request.ignore_end = true;
  request.sampling = &greedy, request.user = &user;
  request.on_token = [](void* u, int32_t token, const char*, size_t, const sluice_logprobs*) {
    User& user = *static_cast<User*>(u);
    user.tokens.push_back(token);
    if (user.budget) user.trims.push_back(sluice_trim(user.engine, user.budget, nullptr));
    return true;
  };
  const auto answer = [&] {
    user.tokens.clear();
    REQUIRE(sluice_session_truncate(session.get(), 0, &error) == SLUICE_OK);
    REQUIRE(sluice_generate(session.get(), &request, nullptr, &error) == SLUICE_OK);
    return user.tokens;
  };
  const auto memory = [&] {
    sluice_memory m = SLUICE_MEMORY_INIT;
    sluice_engine_memory(engine.get(), &m);
    return m;
  };
  const std::vector<int32_t> expected = answer();
  REQUIRE(expected.size() == 40);
  const sluice_memory before = memory();
  CHECK(sluice_trim(engine.get(), 1000, &error) == SLUICE_NO_FIT);
  CHECK(std::string(error.message).find("the smallest that works is") != std::string::npos);
  CHECK(memory().budget_bytes == before.budget_bytes);
  CHECK(memory().used_bytes == before.used_bytes);

  const uint64_t small = before.used_bytes - 1500000, large = before.used_bytes + (1 << 20);
  REQUIRE(sluice_trim(engine.get(), small, &error) == SLUICE_OK);
  CHECK(memory().budget_bytes == small);
  CHECK(memory().peak_bytes <= small);
  CHECK(answer() == expected);
  for (const uint64_t budget : {large, small}) {
    user.budget = budget;
    CHECK(answer() == expected);
    CHECK(memory().peak_bytes <= budget);
  }
  CHECK(user.trims == std::vector<sluice_status>(80, SLUICE_OK));
  user.budget = 0;

  std::atomic<bool> stop{false};
  std::atomic<int> n_wrong{0}, n_trims{0};
  std::thread other([&] {
    for (; !stop || n_trims < 20; ++n_trims)
      n_wrong += sluice_trim(engine.get(), n_trims % 2 ? small : large, nullptr) != SLUICE_OK;
  });
  for (int i = 0; i < 10; ++i) CHECK(answer() == expected);
  stop = true;
  other.join();
  CHECK(n_wrong == 0);
}

TEST_CASE("NULL arguments are usage errors and closing NULL is allowed", "[runtime][door]") {
  sluice_error e = SLUICE_ERROR_INIT;
  sluice_model* model = nullptr;
  CHECK(sluice_model_open(nullptr, &model, &e) == SLUICE_USAGE);
  CHECK(std::string(e.place) == "sluice_model_open");
  CHECK(sluice_model_open("x", nullptr, nullptr) == SLUICE_USAGE);
  CHECK(sluice_model_open_source(nullptr, &model, &e) == SLUICE_USAGE);
  CHECK(sluice_model_describe(nullptr, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_model_verify(nullptr, nullptr, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_model_weights(nullptr, "t", 0, 1, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_tokenize(nullptr, "a", 1, 0, nullptr, 0, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_detokenize(nullptr, nullptr, 0, false, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_render_chat(nullptr, nullptr, 0, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_plan_make(nullptr, nullptr, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_plan_describe(nullptr, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_engine_create(nullptr, nullptr, nullptr, nullptr, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_engine_probe(nullptr, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_trim(nullptr, 1 << 30, &e) == SLUICE_USAGE);
  CHECK(sluice_session_create(nullptr, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_generate(nullptr, nullptr, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_session_feed(nullptr, nullptr, 0, nullptr, nullptr, nullptr, &e) == SLUICE_USAGE);
  CHECK(sluice_session_truncate(nullptr, 0, &e) == SLUICE_USAGE);
  CHECK(!sluice_plan_fits(nullptr));
  CHECK(!sluice_token_is_end(nullptr, 0));
  CHECK(sluice_session_length(nullptr) == 0);
  sluice_model_close(nullptr), sluice_plan_close(nullptr), sluice_engine_close(nullptr), sluice_session_close(nullptr);
  sluice_text_free(nullptr), sluice_session_cancel(nullptr), sluice_engine_memory(nullptr, nullptr);
  sluice_sampling_defaults(nullptr, nullptr), sluice_engine_get_info(nullptr, nullptr);
}

TEST_CASE("a missing file and a file of something else are bad models", "[runtime][door]") {
  TemporaryFolder folder;
  sluice_error e = SLUICE_ERROR_INIT;
  sluice_model* model = nullptr;
  CHECK(sluice_model_open((folder / "none.slm").c_str(), &model, &e) == SLUICE_BAD_MODEL);
  CHECK(std::string(e.place) == folder / "none.slm");
  const std::string text(5000, 'x');
  REQUIRE(write_small_file(folder / "text.slm", std::as_bytes(std::span(text.data(), text.size()))).ok());
  CHECK(sluice_model_open((folder / "text.slm").c_str(), &model, &e) == SLUICE_BAD_MODEL);
  CHECK(e.message[0] != 0);
  CHECK(model == nullptr);
}

TEST_CASE_METHOD(Opened, "structs of older callers are read and written as far as they reach", "[runtime][door]") {
  sluice_options options = SLUICE_OPTIONS_INIT;
  options.n_ctx = 9999;  // beyond the model's: an error if it were read
  options.size = offsetof(sluice_options, n_ctx);
  PlanPtr other;
  CHECK(sluice_plan_make(model.get(), &options, out(other), &error) == SLUICE_OK);
  options.size = 0;
  CHECK(sluice_plan_make(model.get(), &options, out(other), &error) == SLUICE_USAGE);
  sluice_engine_info info = SLUICE_ENGINE_INFO_INIT;
  info.size = offsetof(sluice_engine_info, device);
  info.device[0] = '?';
  sluice_engine_get_info(engine.get(), &info);
  CHECK(info.size == offsetof(sluice_engine_info, device));
  CHECK(info.n_ctx == 64);
  CHECK(info.n_vocab == 320);
  CHECK(info.device[0] == '?');
}

TEST_CASE_METHOD(Opened, "tokens and text round trip, and small buffers say how much they lack", "[runtime][door]") {
  const std::string text = "hello the world\n\xF0\x9F\x98\x80";
  std::vector<int32_t> tokens(64);
  size_t n = 0;
  REQUIRE(sluice_tokenize(model.get(), text.data(), text.size(), 0, tokens.data(), tokens.size(), &n, &error) ==
          SLUICE_OK);
  Text back;
  REQUIRE(sluice_detokenize(model.get(), tokens.data(), n, false, back.out(), &error) == SLUICE_OK);
  CHECK(back.view() == text);
  size_t needed = 0;
  CHECK(sluice_tokenize(model.get(), text.data(), text.size(), 0, nullptr, 0, &needed, &error) == SLUICE_FAILED);
  CHECK(needed == n);
  CHECK(sluice_tokenize(model.get(), nullptr, 0, 0, nullptr, 0, &needed, &error) == SLUICE_OK);
  CHECK(needed == 0);
}

TEST_CASE_METHOD(Opened, "chat requests are checked and rendered", "[runtime][door]") {
  const auto render = [&](const std::string& request, std::string& prompt) {
    Text text;
    const sluice_status status = sluice_render_chat(model.get(), request.data(), request.size(), text.out(), &error);
    prompt = text.view();
    return status;
  };
  std::string prompt;
  CHECK(render(R"({"messages":[{"role":"user","content":"Hi"}]})", prompt) == SLUICE_OK);
  CHECK(prompt == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  CHECK(render(R"({"messages":[],"template":"{{ bos_token }}|{{ x }}","x":3})", prompt) == SLUICE_OK);
  CHECK(prompt == "<|im_start|>|3");
  const std::string kwargs = R"({"messages":[],"template":"{{ x }}{{ y }}{{ chat_template_kwargs }}","x":3,)";
  CHECK(render(kwargs + R"("chat_template_kwargs":{"x":4,"y":[1]}})", prompt) == SLUICE_OK);
  CHECK(prompt == "4[1]");
  CHECK(render(kwargs + R"("chat_template_kwargs":null})", prompt) == SLUICE_OK);
  CHECK(prompt == "3");
  CHECK(render(kwargs + R"("chat_template_kwargs":[]})", prompt) == SLUICE_USAGE);
  for (const char* bad : {"", "[]", "{", "{}", R"({"messages":3})", R"({"messages":[],"template":1})"})
    CHECK(render(bad, prompt) == SLUICE_USAGE);
  CHECK(render(R"({"messages":[}])", prompt) == SLUICE_USAGE);
  CHECK(std::string(error.place) == "sluice_render_chat");
  CHECK(error.offset == 13);
}

TEST_CASE_METHOD(Opened, "requests with wrong numbers are usage errors", "[runtime][door]") {
  const int32_t prompt[] = {4, 5, 6};
  sluice_request request = SLUICE_REQUEST_INIT;
  CHECK(sluice_generate(session.get(), &request, nullptr, &error) == SLUICE_USAGE);  // empty
  request.prompt = prompt, request.n_prompt = 3, request.n_logprobs = 21;
  CHECK(sluice_generate(session.get(), &request, nullptr, &error) == SLUICE_USAGE);
  request.n_logprobs = 0, request.n_stop = 1;
  CHECK(sluice_generate(session.get(), &request, nullptr, &error) == SLUICE_USAGE);
  request.n_stop = 0, request.max_tokens = 2;
  sluice_sampling sampling = SLUICE_SAMPLING_INIT;
  sluice_sampling_defaults(model.get(), &sampling);
  sampling.n_bias = 2;
  request.sampling = &sampling;
  CHECK(sluice_generate(session.get(), &request, nullptr, &error) == SLUICE_USAGE);
  sampling.n_bias = 0;
  sluice_result result = SLUICE_RESULT_INIT;
  CHECK(sluice_generate(session.get(), &request, &result, &error) == SLUICE_OK);
  CHECK(result.n_prompt == 3);
  CHECK(sluice_session_length(session.get()) >= 3);
}

TEST_CASE_METHOD(Opened, "an exception out of a callback is an error, and the engine stays usable", "[runtime][door]") {
  const auto throws = [](void*, uint64_t, uint64_t) -> bool { throw 1; };
  CHECK(sluice_model_verify(model.get(), throws, nullptr, &error) == SLUICE_FAILED);
  CHECK(std::string(error.message).find("callback") != std::string::npos);
  const int32_t prompt[] = {1, 2, 3};
  sluice_request request = SLUICE_REQUEST_INIT;
  request.prompt = prompt, request.n_prompt = 3, request.max_tokens = 2, request.ignore_end = true;
  sluice_result result = SLUICE_RESULT_INIT;
  request.on_token = [](void*, int32_t, const char*, size_t, const sluice_logprobs*) -> bool { throw 1; };
  CHECK(sluice_generate(session.get(), &request, &result, &error) == SLUICE_FAILED);
  request.on_token = nullptr;
  CHECK(sluice_generate(session.get(), &request, &result, &error) == SLUICE_OK);
}

TEST_CASE_METHOD(Opened, "NaN in the sampling is a usage error that names the member", "[runtime][door]") {
  const int32_t prompt[] = {4, 5, 6};
  sluice_request request = SLUICE_REQUEST_INIT;
  request.prompt = prompt, request.n_prompt = 3, request.max_tokens = 2;
  const std::pair<const char*, float sluice_sampling::*> members[] = {
      {"temp", &sluice_sampling::temp},
      {"top_p", &sluice_sampling::top_p},
      {"min_p", &sluice_sampling::min_p},
      {"repeat_penalty", &sluice_sampling::repeat_penalty},
      {"presence_penalty", &sluice_sampling::presence_penalty},
      {"frequency_penalty", &sluice_sampling::frequency_penalty},
      {"typical", &sluice_sampling::typical},
      {"top_h", &sluice_sampling::top_h},
      {"top_n_sigma", &sluice_sampling::top_n_sigma},
      {"xtc_probability", &sluice_sampling::xtc_probability},
      {"xtc_threshold", &sluice_sampling::xtc_threshold},
      {"dynatemp_range", &sluice_sampling::dynatemp_range},
      {"dynatemp_exponent", &sluice_sampling::dynatemp_exponent},
      {"dry_multiplier", &sluice_sampling::dry_multiplier},
      {"dry_base", &sluice_sampling::dry_base},
      {"mirostat_tau", &sluice_sampling::mirostat_tau},
      {"mirostat_eta", &sluice_sampling::mirostat_eta},
      {"mirostat_mu", &sluice_sampling::mirostat_mu},
      {"typical", &sluice_sampling::typical},
      {"top_h", &sluice_sampling::top_h},
      {"top_n_sigma", &sluice_sampling::top_n_sigma},
      {"xtc_probability", &sluice_sampling::xtc_probability},
      {"xtc_threshold", &sluice_sampling::xtc_threshold},
      {"dynatemp_range", &sluice_sampling::dynatemp_range},
      {"dynatemp_exponent", &sluice_sampling::dynatemp_exponent},
      {"dry_multiplier", &sluice_sampling::dry_multiplier},
      {"dry_base", &sluice_sampling::dry_base},
      {"mirostat_tau", &sluice_sampling::mirostat_tau},
      {"mirostat_eta", &sluice_sampling::mirostat_eta},
      {"mirostat_mu", &sluice_sampling::mirostat_mu},
  };
  for (const auto& [name, member] : members) {
    sluice_sampling sampling = SLUICE_SAMPLING_INIT;
    sluice_sampling_defaults(model.get(), &sampling);
    request.sampling = &sampling;
    CHECK(sluice_generate(session.get(), &request, nullptr, &error) == SLUICE_OK);
    sampling.*member = NAN;
    CHECK(sluice_generate(session.get(), &request, nullptr, &error) == SLUICE_USAGE);
    CHECK(std::string(error.place) == name);
  }
  const int32_t token = 7;
  const float value = NAN;
  sluice_sampling sampling = SLUICE_SAMPLING_INIT;
  sluice_sampling_defaults(model.get(), &sampling);
  sampling.bias_tokens = &token, sampling.bias_values = &value, sampling.n_bias = 1;
  request.sampling = &sampling;
  CHECK(sluice_generate(session.get(), &request, nullptr, &error) == SLUICE_USAGE);
}

TEST_CASE_METHOD(Opened, "a call while another one is busy with the engine is refused", "[runtime][door]") {
  SessionPtr second;
  REQUIRE(sluice_session_create(engine.get(), out(second), &error) == SLUICE_OK);
  struct User {
    Opened* opened;
    sluice_session* second;
    const int32_t prompt[3] = {4, 5, 6};
    int calls = 0;
    sluice_status generate = SLUICE_OK, feed = SLUICE_OK, truncate = SLUICE_OK, create = SLUICE_OK, probe = SLUICE_OK;
    sluice_status collect = SLUICE_OK, squares = SLUICE_OK;
    bool squares_told_busy = false;
  } user{this, second.get()};
  sluice_request request = SLUICE_REQUEST_INIT;
  request.prompt = user.prompt, request.n_prompt = 3, request.max_tokens = 1, request.user = &user;
  request.on_token = [](void* u, int32_t, const char*, size_t, const sluice_logprobs*) {
    User& user = *static_cast<User*>(u);
    // From another thread: what a callback may do, a thread may all the more try.
    std::thread([&user] {
      sluice_request inner = SLUICE_REQUEST_INIT;
      inner.prompt = user.prompt, inner.n_prompt = 3, inner.max_tokens = 1;
      sluice_session* none = nullptr;
      sluice_probe probe = SLUICE_PROBE_INIT;
      user.generate = sluice_generate(user.second, &inner, nullptr, nullptr);
      user.feed = sluice_session_feed(user.second, user.prompt, 3, nullptr, nullptr, nullptr, nullptr);
      user.create = sluice_session_create(user.opened->engine.get(), &none, nullptr);
      user.probe = sluice_engine_probe(user.opened->engine.get(), &probe, nullptr);
      user.collect = sluice_engine_collect_inputs(user.opened->engine.get(), nullptr);
      float mean = 0;
      uint64_t rows = 0;
      sluice_error error = SLUICE_ERROR_INIT;
      user.squares =
          sluice_engine_input_squares(user.opened->engine.get(), "blk.0.attn_q.weight", &mean, 1, &rows, &error);
      user.squares_told_busy = std::string(error.message).find("busy") != std::string::npos;
    }).join();
    user.truncate = sluice_session_truncate(user.opened->session.get(), 0, nullptr);
    ++user.calls;
    return true;
  };
  REQUIRE(sluice_generate(session.get(), &request, nullptr, &error) == SLUICE_OK);
  REQUIRE(user.calls == 1);
  for (const sluice_status status :
       {user.generate, user.feed, user.truncate, user.create, user.probe, user.collect, user.squares})
    CHECK(status == SLUICE_USAGE);
  CHECK(user.squares_told_busy);
  CHECK(sluice_session_feed(second.get(), user.prompt, 3, nullptr, nullptr, nullptr, &error) == SLUICE_OK);
}

TEST_CASE("inputs are collected by the reference device only, and told by name, width and time", "[runtime][door]") {
  Opened cpu;
  std::vector<float> means(4096);
  uint64_t rows = 77;
  const auto squares = [&](sluice_engine* engine, const char* tensor, size_t columns) {
    return sluice_engine_input_squares(engine, tensor, means.data(), columns, &rows, &cpu.error);
  };
  constexpr const char* kQ = "blk.0.attn_q.weight";
  CHECK(sluice_engine_collect_inputs(cpu.engine.get(), &cpu.error) == SLUICE_USAGE);
  PlanPtr plan;
  EnginePtr engine;
  SessionPtr session;
  sluice_options options = SLUICE_OPTIONS_INIT;
  options.n_ctx = 64, options.device = "reference";
  REQUIRE(sluice_plan_make(cpu.model.get(), &options, out(plan), &cpu.error) == SLUICE_OK);
  REQUIRE(sluice_engine_create(cpu.model.get(), plan.get(), nullptr, nullptr, out(engine), &cpu.error) == SLUICE_OK);
  REQUIRE(sluice_session_create(engine.get(), out(session), &cpu.error) == SLUICE_OK);
  const size_t width = [&] {
    Text text;
    REQUIRE(sluice_model_describe(cpu.model.get(), text.out(), &cpu.error) == SLUICE_OK);
    const auto facts = nlohmann::json::parse(text.view());
    for (const auto& tensor : facts["tensors"]) {
      if (tensor["name"] == kQ) return tensor["cols"].get<size_t>();
    }
    return size_t{0};
  }();
  REQUIRE(width > 0);
  CHECK(squares(engine.get(), kQ, width) == SLUICE_USAGE);  // before anything is collected
  REQUIRE(sluice_engine_collect_inputs(engine.get(), &cpu.error) == SLUICE_OK);
  CHECK(squares(engine.get(), kQ, width) == SLUICE_USAGE);  // before anything was computed
  const int32_t tokens[] = {4, 5, 6};
  REQUIRE(sluice_session_feed(session.get(), tokens, 3, nullptr, nullptr, nullptr, &cpu.error) == SLUICE_OK);
  CHECK(squares(engine.get(), kQ, width - 1) == SLUICE_USAGE);
  CHECK(squares(engine.get(), kQ, width + 1) == SLUICE_USAGE);
  CHECK(squares(engine.get(), "blk.0.attn_norm.weight", width) == SLUICE_USAGE);
  CHECK(squares(engine.get(), "no such tensor", width) == SLUICE_USAGE);
  CHECK(std::string(cpu.error.place) == "no such tensor");
  CHECK(rows == 77);
  CHECK(squares(engine.get(), kQ, width) == SLUICE_OK);
  CHECK(rows == 3);
  for (size_t i = 0; i < width; ++i) CHECK(means[i] > 0);

  CHECK(sluice_engine_collect_inputs(nullptr, nullptr) == SLUICE_USAGE);
  CHECK(squares(nullptr, kQ, width) == SLUICE_USAGE);
  CHECK(squares(engine.get(), nullptr, width) == SLUICE_USAGE);
  CHECK(sluice_engine_input_squares(engine.get(), kQ, nullptr, width, &rows, nullptr) == SLUICE_USAGE);
  CHECK(sluice_engine_input_squares(engine.get(), kQ, means.data(), width, nullptr, nullptr) == SLUICE_USAGE);
}

TEST_CASE_METHOD(Opened, "a plan describes itself and an engine counts its memory", "[runtime][door]") {
  Text text;
  REQUIRE(sluice_plan_describe(plan.get(), text.out(), &error) == SLUICE_OK);
  const auto json = nlohmann::json::parse(text.view());
  uint64_t sum = 0;
  for (const auto& part : json["parts"]) sum += part.get<uint64_t>();
  CHECK(json["planned_bytes"] == sum);
  CHECK(json["fits"] == true);
  CHECK(json["n_ctx"] == 64);
  sluice_memory memory = SLUICE_MEMORY_INIT;
  sluice_engine_memory(engine.get(), &memory);
  CHECK(memory.planned_bytes == sum);
  CHECK(memory.used_bytes > 0);
  CHECK(memory.peak_bytes >= memory.used_bytes);
  CHECK(memory.process_peak_bytes > 0);
}

TEST_CASE_METHOD(Opened, "a plan predicts a speed from the bandwidth it is given and from nothing else",
                 "[runtime][door]") {
  const auto described = [&](double read_GB_s) {
    sluice_options options = SLUICE_OPTIONS_INIT;
    options.read_GB_s = read_GB_s, options.n_ctx = 512, options.memory_bytes = 1u << 30, options.n_threads = 1;
    PlanPtr other;
    REQUIRE(sluice_plan_make(model.get(), &options, out(other), &error) == SLUICE_OK);
    Text text;
    REQUIRE(sluice_plan_describe(other.get(), text.out(), &error) == SLUICE_OK);
    return nlohmann::json::parse(text.view());
  };
  auto without = described(0), with = described(2.5);
  CHECK(!without.contains("predicted"));
  CHECK(with["predicted"]["read_GB_s"] == 2.5);
  const double bytes = with["weight_bytes_per_token"].get<double>() + with["kv_bytes_per_token"].get<double>();
  CHECK(with["predicted"]["decode_tok_s"].get<double>() == 2.5e9 / bytes);
  with.erase("predicted");
  CHECK(with == without);
}

TEST_CASE("the machine's bandwidth is measured before there is an engine", "[runtime][door]") {
  double read_GB_s = 0;
  sluice_error error = SLUICE_ERROR_INIT;
  CHECK(sluice_measure_read(1, &read_GB_s, &error) == SLUICE_OK);
  CHECK(read_GB_s > 0);
  CHECK(sluice_measure_read(0, nullptr, &error) == SLUICE_USAGE);
  CHECK(sluice_measure_read(257, &read_GB_s, &error) == SLUICE_USAGE);
}

TEST_CASE("a measured speed becomes a prediction for any budget, and a limit on reads slows it", "[runtime][door]") {
  TemporaryFolder folder;
  ToyOptions toy;
  toy.d_model = 256, toy.d_ff = 512, toy.n_layers = 6;
  ModelPtr model;
  sluice_error error = SLUICE_ERROR_INIT;
  REQUIRE(sluice_model_open(make_toy(folder, toy).c_str(), out(model), &error) == SLUICE_OK);
  sluice_options options = SLUICE_OPTIONS_INIT;
  options.n_ctx = 64, options.memory_bytes = 1u << 30, options.n_threads = 1;
  const auto described = [&] {
    PlanPtr plan;
    REQUIRE(sluice_plan_make(model.get(), &options, out(plan), &error) == SLUICE_OK);
    Text text;
    REQUIRE(sluice_plan_describe(plan.get(), text.out(), &error) == SLUICE_OK);
    return nlohmann::json::parse(text.view());
  };
  const auto first = described();
  CHECK(!first.contains("predicted"));
  CHECK(!first.contains("io_limit"));
  PlanPtr plan;
  REQUIRE(sluice_plan_make(model.get(), &options, out(plan), &error) == SLUICE_OK);
  sluice_speed speed = SLUICE_SPEED_INIT;
  REQUIRE(sluice_measure_speed(plan.get(), &speed, &error) == SLUICE_OK);
  CHECK(speed.size == sizeof speed);
  CHECK(speed.token_s > 0);
  CHECK(speed.disk_GB_s > 0);
  double disk_GB_s = 0;
  CHECK(sluice_measure_disk(model.get(), &disk_GB_s, &error) == SLUICE_OK);
  CHECK(disk_GB_s > 0);
  options.token_s = speed.token_s, options.context_GB_s = speed.context_GB_s, options.disk_GB_s = speed.disk_GB_s;
  CHECK(described()["predicted"]["decode_tok_s"].get<double>() == Approx(1 / speed.token_s));
  options.memory_bytes = first["minimum_bytes"], options.io_limit = 1000;
  const auto limited = described();
  const double streamed = limited["streamed_bytes_per_token"];
  REQUIRE(streamed > 0);
  CHECK(limited["io_limit"] == 1000);
  CHECK(limited["predicted"]["decode_tok_s"].get<double>() == Approx(1000 / streamed));

  CHECK(sluice_measure_speed(nullptr, &speed, &error) == SLUICE_USAGE);
  CHECK(sluice_measure_disk(model.get(), nullptr, &error) == SLUICE_USAGE);
  options.memory_bytes = 1 << 20;
  PlanPtr tight;
  REQUIRE(sluice_plan_make(model.get(), &options, out(tight), &error) == SLUICE_OK);
  CHECK(sluice_measure_speed(tight.get(), &speed, &error) == SLUICE_NO_FIT);
  for (double bad : {-1.0, 1e300, double(NAN)}) {
    sluice_options wrong = options;
    wrong.token_s = bad;
    CHECK(sluice_plan_make(model.get(), &wrong, out(tight), &error) == SLUICE_USAGE);
    wrong = options;
    wrong.context_GB_s = bad;
    CHECK(sluice_plan_make(model.get(), &wrong, out(tight), &error) == SLUICE_USAGE);
  }
}

TEST_CASE_METHOD(Opened, "wrong options and small budgets have their own status", "[runtime][door]") {
  sluice_options options = SLUICE_OPTIONS_INIT;
  PlanPtr other;
  options.device = "toaster";
  CHECK(sluice_plan_make(model.get(), &options, out(other), &error) == SLUICE_NO_DEVICE);
  options.device = nullptr, options.kv_type = "q1";
  CHECK(sluice_plan_make(model.get(), &options, out(other), &error) == SLUICE_USAGE);
  options.kv_type = nullptr, options.n_threads = -1;
  CHECK(sluice_plan_make(model.get(), &options, out(other), &error) == SLUICE_USAGE);
  options.n_threads = 0;
  for (double bad : {-1.0, double(INFINITY), double(NAN)}) {
    options.read_GB_s = bad;
    CHECK(sluice_plan_make(model.get(), &options, out(other), &error) == SLUICE_USAGE);
  }
  options.read_GB_s = 0, options.memory_bytes = 1 << 20;
  CHECK(sluice_plan_make(model.get(), &options, out(other), &error) == SLUICE_OK);
  CHECK(!sluice_plan_fits(other.get()));
  sluice_engine* none = nullptr;
  CHECK(sluice_engine_create(model.get(), other.get(), nullptr, nullptr, &none, &error) == SLUICE_NO_FIT);
  CHECK(none == nullptr);
}

TEST_CASE("sampling defaults are the program's unless the file has its own", "[runtime][door]") {
  sluice_sampling s = SLUICE_SAMPLING_INIT;
  sluice_sampling_defaults(nullptr, &s);
  CHECK(s.temp == 0.8f);
  CHECK(s.top_k == 40);
  CHECK(s.top_p == 0.95f);
  CHECK(s.min_p == 0.05f);
  CHECK(s.repeat_penalty == 1.0f);
  CHECK(s.seed == 0);
  CHECK(s.typical == 1);
  CHECK((s.top_h == 0 && s.top_n_sigma == 0 && s.xtc_probability == 0 && s.dynatemp_range == 0 && s.mirostat == 0));
  CHECK(s.dry_multiplier == 0);
  CHECK((s.dry_base == 1.75f && s.dry_allowed_length == 2 && s.dry_penalty_last_n == 64));
  CHECK((s.mirostat_tau == 5 && s.mirostat_eta == 0.1f));
}

TEST_CASE_METHOD(Opened, "the sampling struct of an older program is filled and read as far as it reaches",
                 "[runtime][door]") {
  sluice_sampling s = SLUICE_SAMPLING_INIT;
  s.size = offsetof(sluice_sampling, typical);
  s.typical = 0.25f, s.mirostat = 77;  // whatever lies behind it
  sluice_sampling_defaults(model.get(), &s);
  CHECK(s.size == offsetof(sluice_sampling, typical));
  CHECK(s.temp == 0.8f);
  CHECK((s.typical == 0.25f && s.mirostat == 77));
  const int32_t prompt[] = {4, 5, 6};
  sluice_request request = SLUICE_REQUEST_INIT;
  request.prompt = prompt, request.n_prompt = 3, request.max_tokens = 2, request.sampling = &s;
  sluice_result result = SLUICE_RESULT_INIT;
  result.size = offsetof(sluice_result, mirostat_mu), result.mirostat_mu = -1;
  CHECK(sluice_generate(session.get(), &request, &result, &error) == SLUICE_OK);
  CHECK((result.n_prompt == 3 && result.mirostat_mu == -1));
  s.size = sizeof s;
  CHECK(sluice_generate(session.get(), &request, &result, &error) == SLUICE_USAGE);
  CHECK(std::string(error.place) == "mirostat");
}

TEST_CASE_METHOD(Opened, "sequence breakers are texts of bounded number and length", "[runtime][door]") {
  const int32_t prompt[] = {4, 5, 6};
  sluice_sampling s = SLUICE_SAMPLING_INIT;
  sluice_sampling_defaults(model.get(), &s);
  s.dry_multiplier = 1;
  sluice_request request = SLUICE_REQUEST_INIT;
  request.prompt = prompt, request.n_prompt = 3, request.max_tokens = 2, request.sampling = &s;
  const auto status = [&] { return sluice_generate(session.get(), &request, nullptr, &error); };
  const std::string longest(256, 'x'), longer(257, 'x');
  std::vector<const char*> texts(64, longest.c_str());
  s.dry_breakers = texts.data();
  for (size_t n : {0, 1, 64}) {
    s.n_dry_breakers = n;
    CHECK(status() == SLUICE_OK);
  }
  for (const char* bad : {longer.c_str(), "", static_cast<const char*>(nullptr)}) {
    texts[63] = bad;
    CHECK(status() == SLUICE_USAGE);
  }
  texts.assign(65, "x");
  s.dry_breakers = texts.data(), s.n_dry_breakers = 65;
  CHECK(status() == SLUICE_USAGE);
  s.dry_breakers = nullptr;
  CHECK(status() == SLUICE_USAGE);
}

TEST_CASE("a model comes through a callback too, and its failures are told", "[runtime][door]") {
  TemporaryFolder folder;
  auto bytes = read_small_file(make_toy(folder), 64 << 20);
  REQUIRE(bytes.ok());
  struct User {
    const std::string* bytes;
    bool fail = false;
  } user{&*bytes};
  sluice_source source = SLUICE_SOURCE_INIT;
  source.length = bytes->size(), source.name = "asset";
  source.user = &user;
  source.read = [](void* u, uint64_t offset, void* to, size_t n) {
    const User& user = *static_cast<User*>(u);
    if (user.fail || offset + n > user.bytes->size()) return false;
    std::memcpy(to, user.bytes->data() + offset, n);
    return true;
  };
  sluice_error error = SLUICE_ERROR_INIT;
  ModelPtr model;
  REQUIRE(sluice_model_open_source(&source, out(model), &error) == SLUICE_OK);
  CHECK(sluice_model_verify(model.get(), nullptr, nullptr, &error) == SLUICE_OK);
  user.fail = true;
  CHECK(sluice_model_verify(model.get(), nullptr, nullptr, &error) == SLUICE_FAILED);
  CHECK(std::string(error.place) == "asset");
}

TEST_CASE("a vocabulary-only file cuts text but computes nothing", "[runtime][door]") {
  TemporaryFolder folder;
  GgufBuilder gguf = toy_gguf({});
  gguf.tensors.clear();
  gguf.write(folder / "vocab.gguf");
  REQUIRE(convert_file(folder / "vocab.gguf", folder / "vocab.slm").ok());
  sluice_error error = SLUICE_ERROR_INIT;
  ModelPtr model;
  REQUIRE(sluice_model_open((folder / "vocab.slm").c_str(), out(model), &error) == SLUICE_OK);
  size_t n = 0;
  int32_t tokens[8];
  CHECK(sluice_tokenize(model.get(), "hello", 5, 0, tokens, 8, &n, &error) == SLUICE_OK);
  CHECK(n > 0);
  Text text;
  REQUIRE(sluice_model_describe(model.get(), text.out(), &error) == SLUICE_OK);
  CHECK(nlohmann::json::parse(text.view())["vocabulary_only"] == true);
  PlanPtr plan;
  CHECK(sluice_plan_make(model.get(), nullptr, out(plan), &error) == SLUICE_BAD_MODEL);
  CHECK(sluice_model_verify(model.get(), nullptr, nullptr, &error) == SLUICE_OK);
}

}  // namespace sluice::test
