// SPDX-License-Identifier: Apache-2.0
// Checks on real models: real_models CHECK MODEL FOLDER, with MODEL one of smollm2, gemma3, qwen. FOLDER receives the
// converted models. Exit code 77 means skipped, and the output says loudly why: SLUICE_MODELS must name a folder with
// MODEL.gguf, SLUICE_REFERENCE one with the exact outputs (default: ../shared/reference beside the source).
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "program.h"

namespace {

using namespace sluice;
using Json = nlohmann::json;
constexpr int kSkipped = 77;

struct Facts {
  const char* name;
  const char* reference;
  double most_kl;  // mean, nats, with the defaults
  double least_top1;
};
constexpr Facts kModels[] = {{"smollm2", "smollm2-135m-instruct.json", 0.003, 0.96},
                             {"gemma3", "gemma3-270m.json", 0.003, 0.96},
                             {"qwen", "qwen2.5-coder-1.5b-instruct.json", 0.0015, 0.96}};
constexpr double kMostExactKl = 1e-5, kLeastExactTop1 = 0.995;

int skip(const std::string& why) {
  printf("==== SKIPPED: %s ====\n", why.c_str());
  return kSkipped;
}

int fail(const std::string& why, const Ran& ran) {
  printf("FAILED: %s\nexit code %d, signal %d\n%.2000s\n%.4000s\n", why.c_str(), ran.code, ran.signal, ran.out.c_str(),
         ran.err.c_str());
  return 1;
}

struct Place {
  const Facts& facts;
  std::string gguf, slm, reference;
};

Setting setting(const std::string& isa = {}) {
  Setting s;
  s.timeout_s = 3000;
  if (const char* home = getenv("HOME")) s.environment["HOME"] = home;
  if (!isa.empty()) s.environment["SLUICE_ISA"] = isa;
  return s;
}

// Fresh each time, so that the other checks never see the work of an older converter.
int convert(const Place& place) {
  const Ran ran = run_sluice({"convert", place.gguf, "-o", place.slm, "--json"}, setting());
  if (ran.code != 0) return fail("conversion", ran);
  printf("%s", ran.out.c_str());
  return 0;
}

// A conversion that is interrupted half-way leaves nothing, in a folder of the user's or in the cache.
int interrupt(const Place& place) {
  const std::filesystem::path home = place.slm + ".interrupted", cache = home / "sluice/models";
  Setting s = setting();
  s.environment["XDG_CACHE_HOME"] = home;
  for (const auto& words : {std::vector<std::string>{"convert", place.gguf, "-o", cache / "out.slm"},
                            std::vector<std::string>{"inspect", place.gguf}}) {
    std::filesystem::remove_all(home);
    std::filesystem::create_directories(cache);
    s.watch = [&](const std::string&, const std::string&) {
      for (const auto& file : std::filesystem::directory_iterator(cache)) {
        if (file.path().extension() == ".part") return SIGINT;
      }
      return 0;
    };
    const Ran ran = run_sluice(words, s);
    const bool empty = std::filesystem::is_empty(cache);
    std::filesystem::remove_all(home);
    if (ran.code == 0) return skip("the conversion was over before the interrupt came");
    if (ran.code != 130) return fail("an interrupted conversion ends with 130", ran);
    if (!empty) return fail("an interrupted conversion leaves nothing", ran);
  }
  return 0;
}

int reference(const Place& place, bool exact) {
  if (!std::filesystem::exists(place.reference)) {
    return skip("no exact outputs at " + place.reference + " (SLUICE_REFERENCE names the folder)");
  }
  std::vector<std::string> words = {"eval", place.slm, "--reference", place.reference, "--json"};
  if (exact) words.insert(words.end(), {"--device", "reference"});
  const Ran ran = run_sluice(words, setting());
  const Json json = Json::parse(ran.out, nullptr, false);
  if (ran.code == 4) return skip("the model does not fit this machine: " + ran.err);
  if (ran.code != 0 || !json.is_object()) return fail("eval --reference", ran);
  const double kl = json["kl_mean"], top1 = json["top1_agreement"];
  const double most = exact ? kMostExactKl : place.facts.most_kl,
               least = exact ? kLeastExactTop1 : place.facts.least_top1;
  printf("mean KL %.6g (at most %g), top-1 %.4f (at least %g), max KL %.4g, %d positions\n", kl, most, top1, least,
         double(json["kl_max"]), int(json["positions"]));
  if (!(kl <= most)) return fail("the mean KL is too large", ran);
  if (!(top1 >= least)) return fail("the top-1 agreement is too small", ran);
  return 0;
}

// Equal tokens for every thread count and every instruction set this CPU has.
int identical(const Place& place) {
  const std::vector<std::string> words = {
      "run",    place.slm, "--temp",
      "0",      "-n",      "24",
      "--json", "-p",      "Write a short story about a lighthouse keeper and a lost letter."};
  Json first;
  int n_compared = 0;
  for (const char* isa : {"scalar", "avx2", "avxvnni", "avx512vnni", "amx", "neon", "dotprod", "i8mm"}) {
    for (const char* threads : {"1", "2"}) {
      std::vector<std::string> all = words;
      all.insert(all.end(), {"--threads", threads});
      const Ran ran = run_sluice(all, setting(isa));
      if (ran.code == 5) continue;  // this CPU or this build lacks it
      const Json json = Json::parse(ran.out, nullptr, false);
      if (ran.code != 0 || !json.is_object()) return fail(std::string("run with ") + isa, ran);
      if (first.is_null()) first = json["tokens"];
      if (json["tokens"] != first)
        return fail(std::string(isa) + " with " + threads + " threads gives other tokens", ran);
      ++n_compared;
    }
  }
  printf("%d runs gave the same %d tokens\n", n_compared, int(first.size()));
  return n_compared >= 4 ? 0 : fail("at least scalar and one vector path must run", {});
}

// In a budget a quarter of the way from the smallest that `plan` names to what keeps all weights in memory, the model
// answers a prompt that nearly fills its context with what it answers in any other, and the process never holds more
// than that budget.
int budget(const Place& place) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return skip("sanitizers take memory of their own");
#endif
  const std::vector<std::string> shape = {"--context", "1024", "--threads", "2"};
  std::vector<std::string> plan = {"plan", place.slm, "--json"};
  plan.insert(plan.end(), shape.begin(), shape.end());
  const Ran planned = run_sluice(plan, setting());
  const Json figures = Json::parse(planned.out, nullptr, false);
  if (planned.code != 0 || !figures.is_object()) return fail("plan", planned);
  const uint64_t minimum = figures["minimum_bytes"], all = figures["planned_bytes"];
  const uint64_t least = minimum + (all - minimum) / 4;

  std::string prompt = "Count:";
  for (int i = 0; i < 250; ++i) prompt += " " + std::to_string(i);
  std::vector<std::string> run = {"run", place.slm, "--raw", "-p", prompt, "--temp", "0", "-n", "400", "--json"};
  run.insert(run.end(), shape.begin(), shape.end());
  const Ran ample = run_sluice(run, setting());
  run.insert(run.end(), {"--memory", std::to_string(least)});
  const Ran tight = run_sluice(run, setting());
  const Json answer = Json::parse(tight.out, nullptr, false), other = Json::parse(ample.out, nullptr, false);
  if (tight.code != 0 || !answer.is_object()) return fail("run in a small budget", tight);
  if (ample.code != 0 || !other.is_object()) return fail("run without a budget", ample);
  printf("budget %llu bytes, peak %llu (%.1f %%), %d tokens; without a budget %llu bytes\n", (unsigned long long)least,
         (unsigned long long)tight.peak_bytes, 100.0 * double(tight.peak_bytes) / double(least),
         int(answer["tokens"].size() + answer["prompt_tokens"].size()), (unsigned long long)ample.peak_bytes);
  if (answer["tokens"] != other["tokens"]) return fail("the answers differ", tight);
  if (tight.peak_bytes > least) return fail("the process held more than its budget", tight);
  return 0;
}

// Ten turns that lean on one another: the answers must use what was said before.
int chat(const Place& place) {
  struct Turn {
    const char* said;
    const char* expected;  // in the answer; "" where any answer will do
  };
  constexpr Turn kTurns[] = {
      {"My name is Ada and my favourite number is 42. Please remember both.", ""},
      {"Write a Python function add(a, b) that returns their sum. Only the code.", "def add"},
      {"Now rename that function to plus. Only the code.", "def plus"},
      {"What is my name? Answer with the name only.", "Ada"},
      {"What is the capital of France? One word.", "Paris"},
      {"In which country is that city? One word.", "France"},
      {"What is my favourite number? Answer with the number only.", "42"},
      {"Add one to my favourite number. Answer with the number only.", "43"},
      {"What was the name of the first Python function you wrote for me? One word.", "add"},
      {"And after the renaming? One word.", "plus"},
  };
  std::string input;
  for (const Turn& turn : kTurns) input += std::string(turn.said) + "\n";
  const std::string transcript = place.slm + ".talk.json";
  Setting s = setting();
  s.input = input + "/save " + transcript + "\n/stats\n";
  const Ran ran = run_sluice({"chat", place.slm, "--temp", "0", "-n", "200"}, s);
  if (ran.code != 0) return fail("chat", ran);
  FILE* file = fopen(transcript.c_str(), "r");
  if (!file) return fail("no transcript", ran);
  const Json talk = Json::parse(file, nullptr, false);
  fclose(file);
  std::filesystem::remove(transcript);
  std::vector<std::string> answers;
  for (const Json& message : talk["messages"]) {
    if (message["role"] == "assistant") answers.push_back(message["content"]);
  }
  if (answers.size() != std::size(kTurns)) return fail("ten answers", ran);
  for (size_t i = 0; i < answers.size(); ++i) {
    printf("> %s\n%s\n", kTurns[i].said, answers[i].c_str());
    if (answers[i].find(kTurns[i].expected) == std::string::npos) {
      return fail("turn " + std::to_string(i + 1) + " should contain " + kTurns[i].expected, ran);
    }
  }
  return 0;
}

int check(const std::string& name, const Place& place) {
  if (name == "convert") return convert(place);
  if (name == "interrupt") return interrupt(place);
  if (name == "reference") return reference(place, false);
  if (name == "exact") return reference(place, true);
  if (name == "identical") return identical(place);
  if (name == "budget") return budget(place);
  if (name == "chat") return chat(place);
  printf("no such check: %s\n", name.c_str());
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return printf("usage: real_models CHECK MODEL FOLDER\n"), 2;
  for (const Facts& facts : kModels) {
    if (argv[2] != std::string(facts.name)) continue;
    const char* models = getenv("SLUICE_MODELS");
    if (!models) return skip("SLUICE_MODELS does not name a folder with real models");
    const char* references = getenv("SLUICE_REFERENCE");
    std::filesystem::create_directories(argv[3]);
    const Place place = {
        facts, std::string(models) + "/" + facts.name + ".gguf", std::string(argv[3]) + "/" + facts.name + ".slm",
        std::string(references ? references : SLUICE_SOURCE "/../shared/reference") + "/" + facts.reference};
    if (!std::filesystem::exists(place.gguf)) return skip(place.gguf + " is not there");
    return check(argv[1], place);
  }
  printf("no such model: %s\n", argv[2]);
  return 2;
}
