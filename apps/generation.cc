// SPDX-License-Identifier: Apache-2.0
#include "generation.h"

#include <unistd.h>

#include <chrono>

#include "output.h"
#include "progress.h"
#include "signals.h"

namespace sluice {

namespace {

uint64_t new_seed() {
  uint64_t seed;
  if (getentropy(&seed, sizeof seed) != 0) seed = uint64_t(std::chrono::system_clock::now().time_since_epoch().count());
  return seed >> 1;  // what JSON readers with signed integers can hold
}

struct Callbacks {
  const std::function<bool(std::string_view)>& on_text;
  Answer& answer;
  Progress progress{"Reading the prompt", ProgressUnit::kTokens, 0.5};

  static bool token(void* user, int32_t token, const char* text, size_t length, const sluice_logprobs*) {
    auto& self = *static_cast<Callbacks*>(user);
    self.progress.clear();
    self.answer.tokens.push_back(token);
    self.answer.text.append(text, length);
    const bool wanted = length == 0 || self.on_text({text, length});
    return wanted && !interrupted();
  }
  static bool prefill(void* user, size_t done, size_t total) {
    return static_cast<Callbacks*>(user)->progress.update(done, total);
  }
};

}  // namespace

sluice_sampling sampling_settings(const sluice_model* model, const Arguments& arguments) {
  sluice_sampling s = SLUICE_SAMPLING_INIT;
  sluice_sampling_defaults(model, &s);
  s.temp = float(arguments.real(Opt::kTemp, s.temp));
  s.top_k = int32_t(arguments.whole(Opt::kTopK, uint64_t(s.top_k)));
  s.top_p = float(arguments.real(Opt::kTopP, s.top_p));
  s.min_p = float(arguments.real(Opt::kMinP, s.min_p));
  s.repeat_penalty = float(arguments.real(Opt::kRepeatPenalty, s.repeat_penalty));
  s.presence_penalty = float(arguments.real(Opt::kPresencePenalty, s.presence_penalty));
  s.frequency_penalty = float(arguments.real(Opt::kFrequencyPenalty, s.frequency_penalty));
  s.penalty_last_n = int32_t(arguments.whole(Opt::kPenaltyLastN, uint64_t(s.penalty_last_n)));
  s.typical = float(arguments.real(Opt::kTypical, s.typical));
  s.top_h = float(arguments.real(Opt::kTopH, s.top_h));
  s.top_n_sigma = float(arguments.real(Opt::kTopNSigma, s.top_n_sigma));
  s.xtc_probability = float(arguments.real(Opt::kXtcProbability, s.xtc_probability));
  s.xtc_threshold = float(arguments.real(Opt::kXtcThreshold, s.xtc_threshold));
  s.dynatemp_range = float(arguments.real(Opt::kDynatempRange, s.dynatemp_range));
  s.dynatemp_exponent = float(arguments.real(Opt::kDynatempExp, s.dynatemp_exponent));
  s.dry_multiplier = float(arguments.real(Opt::kDryMultiplier, s.dry_multiplier));
  s.dry_base = float(arguments.real(Opt::kDryBase, s.dry_base));
  s.dry_allowed_length = int32_t(arguments.whole(Opt::kDryAllowedLength, uint64_t(s.dry_allowed_length)));
  s.dry_penalty_last_n = int32_t(arguments.whole(Opt::kDryPenaltyLastN, uint64_t(s.dry_penalty_last_n)));
  s.mirostat = int32_t(arguments.whole(Opt::kMirostat, uint64_t(s.mirostat)));
  s.mirostat_eta = float(arguments.real(Opt::kMirostatLr, s.mirostat_eta));
  s.mirostat_tau = float(arguments.real(Opt::kMirostatEnt, s.mirostat_tau));
  s.seed = arguments.has(Opt::kSeed) ? arguments.whole(Opt::kSeed, 0) : new_seed();
  return s;
}

int has_chat_template(const OpenModel& model, bool& has) {
  Json facts;
  if (const int code = describe_model(model, facts)) return code;
  has = facts.contains("chat_template") && facts["chat_template"] != "";
  return 0;
}

int chat_tokens(const LoadedModel& loaded, const Json& messages, std::vector<int32_t>& tokens) {
  const sluice_model* model = loaded.model.get();
  Json request = {{"messages", messages}, {"add_generation_prompt", true}};
  const std::string text = json_line(request);
  Text prompt;
  sluice_error error = SLUICE_ERROR_INIT;
  if (sluice_render_chat(model, text.data(), text.size(), prompt.out(), &error) != SLUICE_OK) return complain(error);
  if (const int code = check_length(loaded, prompt.view())) return code;
  if (const int code = tokenize(model, prompt.view(), SLUICE_PARSE_SPECIAL, tokens)) return code;
  std::vector<int32_t> first;
  if (const int code = leading_tokens(model, first)) return code;
  if (!first.empty() && (tokens.empty() || tokens[0] != first[0])) tokens.insert(tokens.begin(), first[0]);
  return 0;
}

int raw_tokens(const LoadedModel& loaded, std::string_view text, std::vector<int32_t>& tokens) {
  const sluice_model* model = loaded.model.get();
  if (const int code = check_length(loaded, text)) return code;
  std::vector<int32_t> first;
  if (const int code = leading_tokens(model, first)) return code;
  if (const int code = tokenize(model, text, SLUICE_PARSE_SPECIAL, tokens)) return code;
  if (!first.empty() && (tokens.empty() || tokens[0] != first[0])) tokens.insert(tokens.begin(), first[0]);
  return 0;
}

double Answer::prompt_rate() const {
  return result.prefill_s > 0 ? double(result.n_prompt - result.n_reused) / result.prefill_s : 0;
}

double Answer::decode_rate() const { return result.decode_s > 0 ? double(decoded()) / result.decode_s : 0; }

// The first token comes out of the prompt's last step.
uint64_t Answer::decoded() const { return result.n_generated > 1 ? result.n_generated - 1 : 0; }

double Answer::mean_depth() const { return double(result.n_prompt) + double(result.n_generated) / 2; }

int generate(LoadedModel& model, const std::vector<int32_t>& prompt, const Arguments& arguments,
             sluice_sampling sampling, const std::function<bool(std::string_view)>& on_text, Answer& answer) {
  std::vector<const char*> breakers;
  for (const std::string& text : arguments.all(Opt::kDrySequenceBreaker)) {
    if (text == "none") {
      breakers.clear();
    } else if (!text.empty()) {
      breakers.push_back(text.c_str());
    }
  }
  static const char* const kNone[] = {nullptr};  // an empty list is not the usual one
  if (arguments.has(Opt::kDrySequenceBreaker)) {
    sampling.dry_breakers = breakers.empty() ? kNone : breakers.data();
    sampling.n_dry_breakers = breakers.size();
  }
  std::vector<const char*> stops;
  for (const std::string& stop : arguments.all(Opt::kStop)) {
    if (!stop.empty()) stops.push_back(stop.c_str());
  }
  Callbacks callbacks{on_text, answer};
  sluice_request request{};
  request.size = sizeof request;
  request.prompt = prompt.data();
  request.n_prompt = prompt.size();
  request.max_tokens = arguments.whole(Opt::kMaxTokens, 0);
  request.sampling = &sampling;
  request.stop = stops.data();
  request.n_stop = stops.size();
  request.on_token = Callbacks::token;
  request.on_prefill = Callbacks::prefill;
  request.user = &callbacks;
  answer.result.size = sizeof answer.result;
  sluice_error error = SLUICE_ERROR_INIT;
  if (sluice_generate(model.session.get(), &request, &answer.result, &error) == SLUICE_OK) return 0;
  callbacks.progress.clear();
  return complain(error);
}

}  // namespace sluice
