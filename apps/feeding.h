// SPDX-License-Identifier: Apache-2.0
// Teacher forcing: a list of tokens goes through a fresh context and the logits of its later positions come out.
// Functions return 0 or an exit code after a complaint.
#pragma once
#include <functional>
#include <vector>

#include "model_arg.h"
#include "progress.h"

namespace sluice {

// Forgets what the session holds, feeds `tokens`, and calls on_logits(i, logits) for i = first … the last: the
// prediction of token i + 1. Complains about logits that are not finite.
int feed_tokens(LoadedModel& model, const std::vector<int32_t>& tokens, size_t first,
                const std::function<void(size_t index, const float* logits)>& on_logits);

// A text cut into windows of the model's context, BOS in each where the model asks for it.
int text_windows(const LoadedModel& model, const std::string& path, std::vector<std::vector<int32_t>>& windows);

}  // namespace sluice
