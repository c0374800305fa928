// SPDX-License-Identifier: Apache-2.0
// Prompt in, tokens and text out: what the session already holds of the prompt is reused, the rest is fed, then one token
// after another is drawn, until an end token, a stop string, the limit or a cancel.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "runtime/session/session.h"

namespace sluice {

enum class Finish { kStop, kLength, kCancelled };

inline constexpr uint32_t kMaxLogProbs = 20;

struct TokenLogProbs {
  float chosen = 0;
  uint32_t n = 0;
  int32_t tokens[kMaxLogProbs];
  float values[kMaxLogProbs];
};

struct GenerateRequest {
  std::span<const int32_t> prompt;
  uint64_t max_tokens = 0;  // 0: to the end of the context
  SamplingOptions sampling;
  std::vector<std::string> dry_breakers{std::begin(kUsualBreakers), std::end(kUsualBreakers)};
  float mirostat_mu = 0;  // 0: a new answer; else goes on with one that ended with this (GenerateResult)
  std::vector<std::string> stop;
  bool ignore_end = false;
  bool text_special = false;
  uint32_t n_logprobs = 0;  // 0: none are computed
  // For every token; `text`: UTF-8 that is now certain. The last call brings all that was held back. false cancels.
  std::function<bool(int32_t token, std::string_view text, const TokenLogProbs* logprobs)> on_token;
  Session::OnChunk on_prefill;
};

struct GenerateResult {
  Finish finish = Finish::kStop;
  size_t n_prompt = 0, n_reused = 0, n_generated = 0;
  double prefill_s = 0, decode_s = 0;
  float mirostat_mu = 0;  // after the last token; 0 without mirostat
};

// kUsage: empty prompt, no room for an answer in the context. A cancel is a Finish, not an error.
Result<GenerateResult> generate(Session& session, const GenerateRequest& request);

}  // namespace sluice
