// SPDX-License-Identifier: Apache-2.0
// The C door: sessions, generation, and the lower door that feeds tokens and gives logits.
#include <cmath>

#include "runtime/door/handles.h"

using namespace sluice;
using namespace sluice::door;

namespace {

constexpr const char* kGenerate = "sluice_generate";

constexpr size_t kMaxBreakers = 64, kMaxBreakerBytes = 256;

// A zero field means the default.
template <class Number>
Number or_default(Number given, Number otherwise) {
  return given != 0 ? given : otherwise;
}

// NaN would pass every comparison of the filters and decide nothing.
Status check_numbers(const sluice_sampling& s) {
  const std::pair<const char*, float> numbers[] = {
      {"temp", s.temp},
      {"top_p", s.top_p},
      {"min_p", s.min_p},
      {"repeat_penalty", s.repeat_penalty},
      {"presence_penalty", s.presence_penalty},
      {"frequency_penalty", s.frequency_penalty},
      {"typical", s.typical},
      {"top_h", s.top_h},
      {"top_n_sigma", s.top_n_sigma},
      {"xtc_probability", s.xtc_probability},
      {"xtc_threshold", s.xtc_threshold},
      {"dynatemp_range", s.dynatemp_range},
      {"dynatemp_exponent", s.dynatemp_exponent},
      {"dry_multiplier", s.dry_multiplier},
      {"dry_base", s.dry_base},
      {"mirostat_tau", s.mirostat_tau},
      {"mirostat_eta", s.mirostat_eta},
      {"mirostat_mu", s.mirostat_mu},
      {"typical", s.typical},
      {"top_h", s.top_h},
      {"top_n_sigma", s.top_n_sigma},
      {"xtc_probability", s.xtc_probability},
      {"xtc_threshold", s.xtc_threshold},
      {"dynatemp_range", s.dynatemp_range},
      {"dynatemp_exponent", s.dynatemp_exponent},
      {"dry_multiplier", s.dry_multiplier},
      {"dry_base", s.dry_base},
      {"mirostat_tau", s.mirostat_tau},
      {"mirostat_eta", s.mirostat_eta},
      {"mirostat_mu", s.mirostat_mu},
  };
  for (const auto& [name, number] : numbers)
    if (std::isnan(number)) return make_error(Code::kUsage, name, kNoOffset, "is not a number (NaN)");
  for (size_t i = 0; i < s.n_bias; ++i)
    if (std::isnan(s.bias_values[i]))
      return make_error(Code::kUsage, "bias_values", kNoOffset, "value %zu is not a number (NaN)", i);
  return {};
}

// `bias` receives the list that the options refer to.
Result<SamplingOptions> sampling_options(const sluice_sampling& s, std::vector<TokenBias>& bias) {
  if (s.n_bias > 0) SLUICE_DO(require("sluice_generate: bias", s.bias_tokens, s.bias_values));
  SLUICE_DO(check_numbers(s));
  for (size_t i = 0; i < s.n_bias; ++i) bias.push_back({s.bias_tokens[i], s.bias_values[i]});
  SamplingOptions o;
  o.temp = s.temp, o.top_k = s.top_k, o.top_p = s.top_p, o.min_p = s.min_p;
  o.penalties = {s.repeat_penalty > 0 ? s.repeat_penalty : 1.0f, s.presence_penalty, s.frequency_penalty};
  o.penalty_last_n = s.penalty_last_n;
  o.seed = s.seed;
  o.bias = bias;
  if (s.typical > 0) o.typical = s.typical;
  o.top_h = s.top_h, o.top_n_sigma = s.top_n_sigma;
  o.xtc = {s.xtc_probability, or_default(s.xtc_threshold, o.xtc.threshold)};
  o.dynamic_temp = {s.dynatemp_range, or_default(s.dynatemp_exponent, o.dynamic_temp.exponent)};
  o.dry = {s.dry_multiplier, or_default(s.dry_base, o.dry.base), s.dry_allowed_length, s.dry_penalty_last_n};
  if (o.dry.allowed_length < 1) o.dry.allowed_length = Dry{}.allowed_length;
  if (s.mirostat < 0 || s.mirostat > 2)
    return make_error(Code::kUsage, "mirostat", kNoOffset, "there are versions 1 and 2 (0 is off), not %d", s.mirostat);
  o.mirostat = {s.mirostat, or_default(s.mirostat_tau, o.mirostat.target), or_default(s.mirostat_eta, o.mirostat.rate)};
  return o;
}

Status read_breakers(const sluice_sampling& s, std::vector<std::string>& out) {
  if (s.dry_breakers == nullptr && s.n_dry_breakers == 0) return {};  // the usual ones
  SLUICE_DO(require("sluice_generate: dry_breakers", s.dry_breakers));
  if (s.n_dry_breakers > kMaxBreakers)
    return make_error(Code::kUsage, "dry_breakers", kNoOffset, "%zu are given, at most %zu are allowed",
                      s.n_dry_breakers, kMaxBreakers);
  out.clear();
  for (size_t i = 0; i < s.n_dry_breakers; ++i) {
    SLUICE_DO(require("sluice_generate: dry_breakers", s.dry_breakers[i]));
    const std::string_view text = s.dry_breakers[i];
    if (text.empty() || text.size() > kMaxBreakerBytes)
      return make_error(Code::kUsage, "dry_breakers", kNoOffset, "text %zu has %zu bytes, 1 to %zu are allowed", i,
                        text.size(), kMaxBreakerBytes);
    out.emplace_back(text);
  }
  return {};
}

sluice_sampling defaults_of(const Model* model) {
  const SamplingOptions program;
  sluice_sampling s = SLUICE_SAMPLING_INIT;
  s.temp = program.temp, s.top_k = program.top_k, s.top_p = program.top_p, s.min_p = program.min_p;
  s.repeat_penalty = program.penalties.repeat;
  s.penalty_last_n = program.penalty_last_n;
  s.typical = program.typical;
  s.xtc_threshold = program.xtc.threshold;
  s.dynatemp_exponent = program.dynamic_temp.exponent;
  s.dry_base = program.dry.base;
  s.dry_allowed_length = program.dry.allowed_length, s.dry_penalty_last_n = program.dry.last_n;
  s.mirostat_tau = program.mirostat.target, s.mirostat_eta = program.mirostat.rate;
  if (const fb::SamplingDefaults* file = model ? model->header().sampling() : nullptr) {
    if (file->temp() >= 0) s.temp = file->temp();
    if (file->top_k() >= 0) s.top_k = file->top_k();
    if (file->top_p() >= 0) s.top_p = file->top_p();
    if (file->min_p() >= 0) s.min_p = file->min_p();
    if (file->repeat_penalty() > 0) s.repeat_penalty = file->repeat_penalty();
    if (file->penalty_last_n() >= -1) s.penalty_last_n = file->penalty_last_n();
    if (file->xtc_probability() >= 0) s.xtc_probability = file->xtc_probability();
    if (file->xtc_threshold() >= 0) s.xtc_threshold = file->xtc_threshold();
    if (file->mirostat() >= 0 && file->mirostat() <= 2) s.mirostat = file->mirostat();
    if (file->mirostat_tau() >= 0) s.mirostat_tau = file->mirostat_tau();
    if (file->mirostat_eta() >= 0) s.mirostat_eta = file->mirostat_eta();
  }
  return s;
}

Result<GenerateRequest> request_of(const Session& session, const sluice_request& r, std::vector<TokenBias>& bias) {
  if (r.n_prompt > 0) SLUICE_DO(require("sluice_generate: prompt", r.prompt));
  if (r.n_stop > 0) SLUICE_DO(require("sluice_generate: stop", r.stop));
  if (r.n_logprobs > kMaxLogProbs)
    return make_error(Code::kUsage, "n_logprobs", kNoOffset, "%u are asked for, at most %u are given", r.n_logprobs,
                      kMaxLogProbs);
  GenerateRequest request;
  request.prompt = {r.prompt, r.n_prompt};
  request.max_tokens = r.max_tokens;
  SLUICE_TRY(const sluice_sampling sampling,
             read_struct(kGenerate, r.sampling, defaults_of(&session.engine().model())));
  SLUICE_TRY(request.sampling, sampling_options(sampling, bias));
  SLUICE_DO(read_breakers(sampling, request.dry_breakers));
  request.mirostat_mu = sampling.mirostat_mu;
  for (size_t i = 0; i < r.n_stop; ++i) {
    SLUICE_DO(require("sluice_generate: stop", r.stop[i]));
    request.stop.emplace_back(r.stop[i]);
  }
  request.ignore_end = r.ignore_end;
  request.text_special = r.text_special;
  request.n_logprobs = r.n_logprobs;
  if (r.on_token)
    request.on_token = [on_token = r.on_token, user = r.user](int32_t token, std::string_view text,
                                                              const TokenLogProbs* p) {
      sluice_logprobs out{};
      if (p != nullptr) {
        out.chosen = p->chosen, out.n = p->n;
        std::copy_n(p->tokens, p->n, out.tokens);
        std::copy_n(p->values, p->n, out.values);
      }
      return on_token(user, token, text.data(), text.size(), p ? &out : nullptr);
    };
  if (r.on_prefill)
    request.on_prefill = [on_prefill = r.on_prefill, user = r.user](size_t done, size_t total) {
      return on_prefill(user, done, total);
    };
  return request;
}

}  // namespace

void sluice_sampling_defaults(const sluice_model* model, sluice_sampling* sampling) {
  write_struct(defaults_of(model ? model->model.get() : nullptr), sampling);
}

sluice_status sluice_session_create(sluice_engine* engine, sluice_session** session, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_session_create", engine, session));
    const Turn turn(*engine);
    SLUICE_DO(turn.status());
    auto made = std::make_unique<sluice_session>();
    made->owner = engine;
    SLUICE_TRY(made->session, Session::create(*engine->engine));
    *session = made.release();
    return {};
  });
}

void sluice_session_close(sluice_session* session) { delete session; }

sluice_status sluice_generate(sluice_session* session, const sluice_request* request, sluice_result* result,
                              sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require(kGenerate, session, request));
    SLUICE_TRY(const sluice_request r, read_struct(kGenerate, request, sluice_request SLUICE_REQUEST_INIT));
    std::vector<TokenBias> bias;
    SLUICE_TRY(const GenerateRequest asked, request_of(*session->session, r, bias));
    const Turn turn(*session->owner);
    SLUICE_DO(turn.status());
    SLUICE_TRY(const GenerateResult got, generate(*session->session, asked));
    static_assert(int(Finish::kCancelled) == int(SLUICE_FINISH_CANCELLED) && int(Finish::kLength) == int(SLUICE_FINISH_LENGTH));
    write_struct({sizeof(sluice_result), sluice_finish(got.finish), got.n_prompt, got.n_reused, got.n_generated,
                  got.prefill_s, got.decode_s, got.mirostat_mu},
                 result);
    return {};
  });
}

void sluice_session_cancel(sluice_session* session) {
  if (session != nullptr) session->session->cancel();
}

sluice_status sluice_session_feed(sluice_session* session, const int32_t* tokens, size_t n_tokens,
                                  const bool* wants_logits,
                                  bool (*on_logits)(void* user, size_t index, const float* logits), void* user,
                                  sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_session_feed", session));
    if (n_tokens > 0) SLUICE_DO(require("sluice_session_feed", tokens));
    Session::OnLogits give;
    if (on_logits)
      give = [&](size_t index, std::span<const float> logits) { return on_logits(user, index, logits.data()); };
    const std::span<const bool> wants = wants_logits ? std::span(wants_logits, n_tokens) : std::span<const bool>();
    const Turn turn(*session->owner);
    SLUICE_DO(turn.status());
    session->session->take_cancel();  // one that came when nothing ran
    return session->session->feed({tokens, n_tokens}, wants, give);
  });
}

size_t sluice_session_length(const sluice_session* session) { return session ? session->session->tokens().size() : 0; }

sluice_status sluice_session_truncate(sluice_session* session, size_t n, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_session_truncate", session));
    const Turn turn(*session->owner);
    SLUICE_DO(turn.status());
    return session->session->truncate(n);
  });
}
