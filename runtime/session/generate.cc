// SPDX-License-Identifier: Apache-2.0
#include "runtime/session/generate.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "runtime/session/stop_strings.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Tokens the session may keep for this prompt: the common beginning, without the prompt's last token, whose logits are
// needed.
size_t reusable(std::span<const int32_t> held, std::span<const int32_t> prompt) {
  const size_t n = std::min(held.size(), prompt.size() - 1);
  return size_t(std::mismatch(held.begin(), held.begin() + n, prompt.begin()).first - held.begin());
}

void fill_logprobs(std::span<const float> logits, int32_t chosen, uint32_t n, TokenLogProbs& out) {
  const LogProbs probs = log_probs(logits);
  Candidate best[kMaxLogProbs];
  out.chosen = float(probs.of(logits[chosen]));
  out.n = uint32_t(std::min<size_t>({n, kMaxLogProbs, logits.size()}));
  const std::span<Candidate> top = take_top_k(logits, out.n, best);
  for (uint32_t i = 0; i < out.n; ++i) {
    out.tokens[i] = top[i].token;
    out.values[i] = float(probs.of(top[i].logit));
  }
}

// The text side of an answer: bytes of tokens → whole code points → without stop strings.
class AnswerText {
 public:
  AnswerText(const Tokenizer& tokenizer, const GenerateRequest& request)
      : tokenizer_(tokenizer), special_(request.text_special), stop_(request.stop) {}

  // Text that the token makes certain; `last`: nothing follows. True when a stop string ends the answer.
  bool push(int32_t token, bool last, std::string& out) {
    bytes_.clear(), points_.clear();
    tokenizer_.append_piece(token, special_, bytes_);
    utf8_.append(bytes_, points_);
    if (last) utf8_.finish(points_);
    return stop_.push(points_, out) || (last && stop_.finish(out));
  }

 private:
  const Tokenizer& tokenizer_;
  bool special_;
  Utf8Stream utf8_;
  StopStrings stop_;
  std::string bytes_, points_;
};

Status check_prompt(const Session& session, const GenerateRequest& request) {
  if (request.prompt.empty()) return make_error(Code::kUsage, "prompt", kNoOffset, "the prompt is empty");
  if (request.prompt.size() >= session.n_ctx())
    return make_error(Code::kUsage, "prompt", kNoOffset,
                      "the prompt has %zu tokens, the context of %u leaves no room for an answer", request.prompt.size(),
                      session.n_ctx());
  return {};
}

}  // namespace

Result<GenerateResult> generate(Session& session, const GenerateRequest& request) {
  SLUICE_DO(check_prompt(session, request));
  session.take_cancel();  // one that came too late for the answer before
  const Tokenizer& tokenizer = session.engine().model().tokenizer();
  GenerateResult result;
  result.n_prompt = request.prompt.size();
  result.n_reused = reusable(session.tokens(), request.prompt);
  const size_t room = session.n_ctx() - result.n_prompt;
  const uint64_t limit = request.max_tokens ? std::min<uint64_t>(request.max_tokens, room) : room;

  SamplingState state{request.mirostat_mu, nullptr};
  std::optional<SequenceBreakers> breakers;
  if (request.sampling.dry.active())
    state.breakers = &breakers.emplace(request.dry_breakers, [&](int32_t token, std::string& out) {
      tokenizer.append_piece(token, /*special=*/true, out);
    });

  // The next token, drawn from the logits of the last one fed.
  int32_t token = 0;
  TokenLogProbs logprobs;
  const auto pick = [&](size_t, std::span<const float> logits) {
    const std::span<const int32_t> history = session.tokens();
    token = session.sampler().pick(request.sampling, logits, history, history.size(), &state);
    if (request.n_logprobs > 0) fill_logprobs(logits, token, request.n_logprobs, logprobs);
    return true;
  };

  SLUICE_DO(session.truncate(result.n_reused));
  Clock::time_point start = Clock::now();
  Status fed = session.feed(request.prompt.subspan(result.n_reused), {}, pick, request.on_prefill);
  result.prefill_s = seconds_since(start);

  AnswerText answer(tokenizer, request);
  std::string text;
  start = Clock::now();
  for (bool last = false; fed.ok() && !last;) {
    ++result.n_generated;
    const bool ended = !request.ignore_end && tokenizer.is_end(token);
    const bool cancelled = session.take_cancel();
    last = ended || cancelled || result.n_generated == limit;
    text.clear();
    const bool stopped = answer.push(token, last, text);
    result.finish = ended || stopped ? Finish::kStop : cancelled ? Finish::kCancelled : Finish::kLength;
    last = last || stopped;
    if (request.on_token && !request.on_token(token, text, request.n_logprobs ? &logprobs : nullptr) && !last) {
      result.finish = Finish::kCancelled;
      last = true;
    }
    if (!last) fed = session.feed({&token, 1}, {}, pick);
  }
  result.decode_s = seconds_since(start);
  if (request.sampling.mirostat.version != 0) result.mirostat_mu = state.mu;
  if (!fed.ok() && fed.error().code != Code::kCancelled) return std::move(fed.error());
  if (!fed.ok()) result.finish = Finish::kCancelled;
  return result;
}

}  // namespace sluice
