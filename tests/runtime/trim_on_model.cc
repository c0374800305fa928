// SPDX-License-Identifier: Apache-2.0
// A budget that changes in the middle of an answer of a real model: trim_on_model MODEL.slm LARGE SMALL (MB of 10^6
// bytes). Another thread asks for SMALL after a third of the tokens and for LARGE again after two thirds. The tokens
// must be those of an undisturbed run, and the resident set of the process below SMALL once sluice_trim has returned.
// Prints how long that took. Exit code 77: the model is not there, or does not fit.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "sluice/sluice.hpp"

namespace {

using Clock = std::chrono::steady_clock;

// Of this process, as the kernel counts it now.
uint64_t resident_bytes() {
  uint64_t kib = 0;
  FILE* status = fopen("/proc/self/status", "r");
  if (!status) return 0;
  for (char line[256]; fgets(line, sizeof line, status);)
    if (sscanf(line, "VmRSS: %llu", (unsigned long long*)&kib) == 1) break;
  fclose(status);
  return kib * 1024;
}

struct Run {
  std::vector<int32_t> tokens;
  std::atomic<size_t> n_tokens{0};
  Clock::time_point last;
  double longest_pause_ms = 0;
};

bool on_token(void* user, int32_t token, const char*, size_t, const sluice_logprobs*) {
  Run& run = *static_cast<Run*>(user);
  const auto now = Clock::now();
  if (!run.tokens.empty())
    run.longest_pause_ms =
        std::max(run.longest_pause_ms, std::chrono::duration<double, std::milli>(now - run.last).count());
  run.last = now;
  run.tokens.push_back(token);
  run.n_tokens = run.tokens.size();
  return true;
}

int fail(const char* what, const sluice_error& error) {
  printf("FAILED: %s: %s\n", what, error.message);
  return error.status == SLUICE_NO_FIT || error.status == SLUICE_BAD_MODEL ? 77 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return printf("usage: trim_on_model MODEL.slm LARGE SMALL\n"), 2;
  const uint64_t large = strtoull(argv[2], nullptr, 10) * 1000000, small = strtoull(argv[3], nullptr, 10) * 1000000;
  constexpr uint64_t kTokens = 24;
  sluice_error error = SLUICE_ERROR_INIT;
  sluice::ModelPtr model;
  sluice::PlanPtr plan;
  sluice::EnginePtr engine;
  sluice::SessionPtr session;
  if (sluice_model_open(argv[1], sluice::out(model), &error)) return fail("open", error);
  sluice_options options = SLUICE_OPTIONS_INIT;
  options.memory_bytes = large, options.n_ctx = 1024, options.max_rows = 64;
  if (sluice_plan_make(model.get(), &options, sluice::out(plan), &error)) return fail("plan", error);
  if (sluice_engine_create(model.get(), plan.get(), nullptr, nullptr, sluice::out(engine), &error))
    return fail("engine", error);
  if (sluice_session_create(engine.get(), sluice::out(session), &error)) return fail("session", error);

  const char text[] = "The lighthouse keeper found a letter that";
  int32_t prompt[64];
  sluice_request request = SLUICE_REQUEST_INIT;
  if (sluice_tokenize(model.get(), text, sizeof text - 1, SLUICE_ADD_SPECIAL, prompt, 64, &request.n_prompt, &error))
    return fail("tokenize", error);
  sluice_sampling greedy = SLUICE_SAMPLING_INIT;
  request.prompt = prompt, request.max_tokens = kTokens, request.ignore_end = true, request.sampling = &greedy;
  request.on_token = on_token;

  Run plain, changed;
  request.user = &plain;
  if (sluice_generate(session.get(), &request, nullptr, &error)) return fail("generate", error);
  if (sluice_session_truncate(session.get(), 0, &error)) return fail("truncate", error);

  struct Change {
    size_t after;
    uint64_t budget, resident;
    double ms;
    sluice_status status;
  } changes[] = {{kTokens / 3, small, 0, 0, SLUICE_OK}, {2 * kTokens / 3, large, 0, 0, SLUICE_OK}};
  const uint64_t before = resident_bytes();
  std::thread other([&] {
    for (Change& change : changes) {
      while (changed.n_tokens < change.after) std::this_thread::sleep_for(std::chrono::microseconds(200));
      const auto start = Clock::now();
      change.status = sluice_trim(engine.get(), change.budget, nullptr);
      change.ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
      change.resident = resident_bytes();
    }
  });
  request.user = &changed;
  const sluice_status status = sluice_generate(session.get(), &request, nullptr, &error);
  changed.n_tokens = kTokens;
  other.join();
  if (status) return fail("generate while the budget changes", error);
  printf(
      "resident %.1f MB; trim to %.0f MB: %.1f ms, resident %.1f MB; back: %.1f ms, resident %.1f MB; longest token "
      "%.1f ms, without changes %.1f ms\n",
      double(before) / 1e6, double(small) / 1e6, changes[0].ms, double(changes[0].resident) / 1e6, changes[1].ms,
      double(changes[1].resident) / 1e6, changed.longest_pause_ms, plain.longest_pause_ms);
  if (changes[0].status == SLUICE_NO_FIT) return printf("the small budget is too small\n"), 77;
  if (changes[0].status || changes[1].status) return printf("FAILED: sluice_trim\n"), 1;
  if (changed.tokens != plain.tokens) return printf("FAILED: the tokens differ\n"), 1;
  if (changes[0].resident > small) return printf("FAILED: more is resident than the budget\n"), 1;
  return 0;
}
