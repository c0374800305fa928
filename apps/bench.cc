// SPDX-License-Identifier: Apache-2.0
// sluice bench: prefill and decode speed beside what the machine could do at most, measured in the same run.
#include <algorithm>
#include <chrono>

#include "expected_speed.h"
#include "looks.h"
#include "model_arg.h"
#include "output.h"
#include "progress.h"
#include "signals.h"
#include "verbs.h"

namespace sluice {

namespace {

constexpr uint64_t kUsualContext = 4096;
constexpr size_t kSlice = 512;  // tokens fed at a time, so that a signal is noticed

struct Work {
  size_t n_prompt, n_decode, depth, n_repeat;
  uint64_t per_repeat() const { return n_prompt + n_decode + depth; }
};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

class Bench {
 public:
  Bench(LoadedModel& model, Work work) : model_(model), work_(work) {
    // Speed does not depend on which tokens are fed, as long as they differ.
    uint64_t x = 1;
    tokens_.resize(std::max(work.n_prompt, work.n_decode) + work.depth);
    for (int32_t& token : tokens_) {
      x = x * 6364136223846793005u + 1442695040888963407u;
      token = int32_t((x >> 33) % model.info.n_vocab);
    }
  }

  // Fills `prefill` and `decode` with tokens a second, one for each repetition. The first one only warms up.
  int run(std::vector<double>& prefill, std::vector<double>& decode) {
    for (size_t r = 0; r <= work_.n_repeat; ++r) {
      double seconds = 0;
      if (work_.n_prompt) {
        if (const int code = measure(work_.n_prompt, kSlice, seconds)) return code;
        if (r) prefill.push_back(double(work_.n_prompt) / seconds);
      }
      if (work_.n_decode) {
        if (const int code = measure(work_.n_decode, 1, seconds)) return code;
        if (r) decode.push_back(double(work_.n_decode) / seconds);
      }
    }
    return 0;
  }

 private:
  int measure(size_t n, size_t slice, double& seconds) {
    sluice_error error = SLUICE_ERROR_INIT;
    if (sluice_session_truncate(model_.session.get(), 0, &error) != SLUICE_OK) return complain(error);
    if (const int code = feed(0, work_.depth, kSlice)) return code;
    const auto begin = std::chrono::steady_clock::now();
    if (const int code = feed(work_.depth, n, slice)) return code;
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    return 0;
  }

  int feed(size_t first, size_t n, size_t slice) {
    const auto ignore = [](void*, size_t, const float*) { return true; };
    for (size_t done = 0; done < n;) {
      const size_t count = std::min(slice, n - done);
      sluice_error error = SLUICE_ERROR_INIT;
      if (sluice_session_feed(model_.session.get(), &tokens_[first + done], count, nullptr, ignore, nullptr, &error) !=
          SLUICE_OK) {
        progress_.clear();
        return complain(error);
      }
      done += count;
      fed_ += count;
      const uint64_t total = (work_.n_repeat + 1) * (work_.n_prompt + work_.n_decode + work_.depth * 2);
      if (!progress_.update(std::min<uint64_t>(fed_, total), total)) return interrupt_exit_code();
    }
    return 0;
  }

  LoadedModel& model_;
  Work work_;
  std::vector<int32_t> tokens_;
  uint64_t fed_ = 0;
  Progress progress_{"Measuring", ProgressUnit::kTokens, 0.1};
};

struct Figures {
  std::string name;
  Work work;
  double prefill, decode;
  sluice_engine_info info;
  sluice_memory memory;
  sluice_probe probe;
  double disk_GB_s;
  uint64_t io_limit;  // 0: none
  double disk_used_GB_s() const { return decode * double(info.streamed_bytes_per_token) / 1e9; }
  double weight_GB_s() const { return decode * double(info.weight_bytes_per_token) / 1e9; }
};

Json report(const Figures& f) {
  return {
      {"model", f.name},
      {"device", f.info.device},
      {"isa", f.info.isa},
      {"threads", f.info.n_threads},
      {"batch", 1},
      {"depth", f.work.depth},
      {"repetitions", f.work.n_repeat},
      {"prefill", {{"tokens", f.work.n_prompt}, {"tok_s", f.prefill}}},
      {"decode",
       {{"tokens", f.work.n_decode},
        {"tok_s", f.decode},
        {"weight_bytes_per_token", f.info.weight_bytes_per_token},
        {"GB_s", f.weight_GB_s()}}},
      {"load_s", f.info.load_s},
      {"memory",
       {{"budget_bytes", f.memory.budget_bytes},
        {"planned_bytes", f.memory.planned_bytes},
        {"peak_bytes", f.memory.peak_bytes},
        {"process_peak_bytes", f.memory.process_peak_bytes}}},
      {"io",
       {{"bytes_per_token", f.info.streamed_bytes_per_token},
        {"GB_s", f.disk_used_GB_s()},
        {"path", f.info.io},
        {"limit", f.io_limit}}},
      {"probe", {{"read_GB_s", f.probe.read_GB_s}, {"int8_GMAC_s", f.probe.int8_GMAC_s}, {"disk_GB_s", f.disk_GB_s}}}};
}

void print_table(const Figures& f) {
  const auto percent = [](double share) { return human_number(100 * share) + " %"; };
  std::vector<std::vector<std::string>> rows = {{"", "tokens", "tok/s", ""}};
  if (f.work.n_prompt) rows.push_back({"prefill", std::to_string(f.work.n_prompt), human_number(f.prefill), ""});
  if (f.work.n_decode) {
    rows.push_back({"decode", std::to_string(f.work.n_decode), human_number(f.decode),
                    human_number(f.weight_GB_s()) + " GB/s of weights, " +
                        (f.probe.read_GB_s > 0 ? percent(f.weight_GB_s() / f.probe.read_GB_s) : std::string("-")) +
                        " of the memory bandwidth"});
    if (f.info.streamed_bytes_per_token)
      rows.push_back({"", "", "",
                      human_number(f.disk_used_GB_s()) + " GB/s of them from disk, " +
                          (f.disk_GB_s > 0 ? percent(f.disk_used_GB_s() / f.disk_GB_s) : std::string("-")) +
                          " of its rate"});
  }
  put(printable(f.name) + ", " + f.info.device + " " + f.info.isa + ", " + std::to_string(f.info.n_threads) +
      " threads" + (f.work.depth ? ", after " + std::to_string(f.work.depth) + " tokens" : "") + "\n\n");
  put(table(rows, "lrrl"));
  put("\n" +
      table({{"load", human_number(f.info.load_s) + " s"},
             {"memory", human_bytes(f.memory.peak_bytes) + " of " + human_bytes(f.memory.budget_bytes)},
             {"this machine", human_number(f.probe.read_GB_s) + " GB/s memory, " + human_number(f.probe.int8_GMAC_s) +
                                  " int8 GMAC/s, " + human_number(f.disk_GB_s) + " GB/s disk"}},
            "ll"));
}

int run_bench(const Arguments& arguments) {
  const Work work = {arguments.whole(Opt::kBenchPrompt, 512), arguments.whole(Opt::kBenchDecode, 128),
                     arguments.whole(Opt::kBenchDepth, 0), arguments.whole(Opt::kBenchRepeat, 5)};
  if (!work.n_prompt && !work.n_decode) return complain(kUsage, "bench: -p 0 and -n 0 leave nothing to measure");
  sluice_options options = engine_settings(arguments);
  const uint64_t needed = work.depth + std::max(work.n_prompt, work.n_decode);
  if (needed > UINT32_MAX) return complain(kUsage, "bench: no model has a context of " + std::to_string(needed));
  if (!options.n_ctx && needed > kUsualContext) options.n_ctx = uint32_t(needed);
  LoadedModel model;
  if (const int code = load_model(arguments.positional()[0], options, model)) return code;
  if (needed > model.info.n_ctx) {
    return complain(kUsage, "bench: -p, -n and -d need a context of " + std::to_string(needed) +
                                " tokens, here it is " + std::to_string(model.info.n_ctx) + " (--context)");
  }
  Json facts;
  if (const int code = describe_model(model, facts)) return code;
  std::vector<double> prefill, decode;
  {
    Bench bench(model, work);
    if (const int code = bench.run(prefill, decode)) return code;
  }
  Figures f{};
  f.name = facts.contains("name") && facts["name"].is_string() ? facts["name"].get<std::string>() : model.path;
  f.work = work;
  f.prefill = median(prefill), f.decode = median(decode);
  f.info = model.info;
  f.memory = engine_memory(model.engine.get());  // before the probes take theirs
  f.probe.size = sizeof f.probe;
  sluice_error error = SLUICE_ERROR_INIT;
  if (sluice_engine_probe(model.engine.get(), &f.probe, &error) != SLUICE_OK) return complain(error);
  if (interrupted()) return interrupt_exit_code();
  if (sluice_measure_disk(model.model.get(), &f.disk_GB_s, &error) != SLUICE_OK) return complain(error);
  f.io_limit = options.io_limit;
  if (f.decode > 0) {
    const uint64_t tokens = work.n_decode * work.n_repeat;
    remember_speed(model, tokens, double(tokens) / f.decode, double(work.depth) + double(work.n_decode) / 2);
  }
  if (arguments.has(Opt::kJson)) {
    put(json_line(report(f)));
  } else {
    print_table(f);
  }
  return kOk;
}

}  // namespace

const Verb& bench_verb() {
  static const Verb verb = {
      "bench",
      "Measure",
      "MODEL",
      "speed, beside what the machine could do at most",
      "Prefill of -p tokens and decoding of -n tokens, each after -d tokens of context. Weights read a second are "
      "compared with the memory bandwidth measured in the same run.",
      {{"The measurement",
        {Opt::kBenchPrompt, Opt::kBenchDecode, Opt::kBenchBatch, Opt::kBenchDepth, Opt::kBenchRepeat}},
       engine_options(),
       general_options()},
      1,
      1,
      {"sluice bench model.gguf", "sluice bench model.gguf --threads 4 -d 2048 -p 0 --json"},
      run_bench};
  return verb;
}

}  // namespace sluice
