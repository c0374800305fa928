// SPDX-License-Identifier: Apache-2.0
// Messages → prompt → tokens → answer, as `run` and `chat` both need it. Functions return 0 or an exit code after a
// complaint.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "model_arg.h"

namespace sluice {

// The model's defaults overridden by the command line. Without --seed a new seed is drawn.
sluice_sampling sampling_settings(const sluice_model* model, const Arguments& arguments);

int has_chat_template(const OpenModel& model, bool& has);

// The messages in the model's own chat format, as tokens. BOS is added where the model asks for it and its template
// has not written it.
int chat_tokens(const LoadedModel& model, const Json& messages, std::vector<int32_t>& tokens);
// --raw: special tokens in the text are parsed, BOS added where the model asks for it.
int raw_tokens(const LoadedModel& model, std::string_view text, std::vector<int32_t>& tokens);

struct Answer {
  std::string text;
  std::vector<int32_t> tokens;  // with the end token
  sluice_result result{};
  double prompt_rate() const;  // tokens a second; 0 if nothing was computed
  double decode_rate() const;
  uint64_t decoded() const;   // tokens that decode_s was for
  double mean_depth() const;  // tokens before each of them
};

// Answers until the end, -n, a --stop text or a signal (then result.finish says cancelled and 0 is returned).
// `on_text` gets the text as it becomes certain; false stops.
int generate(LoadedModel& model, const std::vector<int32_t>& prompt, const Arguments& arguments,
             sluice_sampling sampling, const std::function<bool(std::string_view)>& on_text, Answer& answer);

}  // namespace sluice
