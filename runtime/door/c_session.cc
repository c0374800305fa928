// SPDX-License-Identifier: Apache-2.0
// The C door: sessions, generation, and the lower door that feeds tokens and gives logits.
#include <cmath>

#include "runtime/door/handles.h"

using namespace sluice;
using namespace sluice::door;

namespace {

constexpr const char* kGenerate = "sluice_generate";

// NaN would pass every comparison of the filters and decide nothing.
Status check_numbers(const sluice_sampling& s) {
  const std::pair<const char*, float> numbers[] = {
      {"temp", s.temp},
      {"top_p", s.top_p},
      {"min_p", s.min_p},
      {"repeat_penalty", s.repeat_penalty},
      {"presence_penalty", s.presence_penalty},
      {"frequency_penalty", s.frequency_penalty},
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
  return o;
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
  sluice_sampling sampling{};
  const sluice_model model{session.engine().shared_model()};
  sluice_sampling_defaults(&model, &sampling);
  SLUICE_TRY(sampling, read_struct(kGenerate, r.sampling, sampling));
  SLUICE_TRY(request.sampling, sampling_options(sampling, bias));
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
  if (sampling == nullptr) return;
  const SamplingOptions program;
  sluice_sampling s{};
  s.size = sizeof s;
  s.temp = program.temp, s.top_k = program.top_k, s.top_p = program.top_p, s.min_p = program.min_p;
  s.repeat_penalty = program.penalties.repeat;
  s.penalty_last_n = program.penalty_last_n;
  if (const fb::SamplingDefaults* file = model ? model->model->header().sampling() : nullptr) {
    if (file->temp() >= 0) s.temp = file->temp();
    if (file->top_k() >= 0) s.top_k = file->top_k();
    if (file->top_p() >= 0) s.top_p = file->top_p();
    if (file->min_p() >= 0) s.min_p = file->min_p();
    if (file->repeat_penalty() > 0) s.repeat_penalty = file->repeat_penalty();
  }
  *sampling = s;
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
                  got.prefill_s, got.decode_s},
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
