// SPDX-License-Identifier: Apache-2.0
#include "feeding.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "output.h"
#include "signals.h"

namespace sluice {

int feed_tokens(LoadedModel& model, const std::vector<int32_t>& tokens, size_t first,
                const std::function<void(size_t index, const float* logits)>& on_logits) {
  struct Callback {
    const std::function<void(size_t, const float*)>& on_logits;
    size_t n_vocab;
    bool finite = true;
    static bool call(void* user, size_t index, const float* logits) {
      auto& self = *static_cast<Callback*>(user);
      self.finite = std::all_of(logits, logits + self.n_vocab, [](float x) { return std::isfinite(x); });
      if (self.finite) self.on_logits(index, logits);
      return self.finite && !interrupted();
    }
  } callback{on_logits, model.info.n_vocab};
  const auto wanted = std::make_unique<bool[]>(tokens.size());
  for (size_t i = first; i < tokens.size(); ++i) wanted[i] = true;
  sluice_error error = SLUICE_ERROR_INIT;
  sluice_session* session = model.session.get();
  if (sluice_session_truncate(session, 0, &error) != SLUICE_OK) return complain(error);
  const sluice_status status =
      sluice_session_feed(session, tokens.data(), tokens.size(), wanted.get(), Callback::call, &callback, &error);
  if (interrupted()) return interrupt_exit_code();
  if (!callback.finite) {
    return complain(kFailed,
                    model.path + ": an output is infinite or not a number; a weight may be, or the model is damaged");
  }
  return status == SLUICE_OK ? 0 : complain(error);
}

int text_windows(const LoadedModel& model, const std::string& path, std::vector<std::vector<int32_t>>& windows) {
  std::string text;
  if (const int code = read_text(path, kMostTextBytes, text)) return code;
  std::vector<int32_t> tokens, leading;
  {
    const SignalsEndAtOnce nothing_to_unwind;
    if (const int code = tokenize(model.model.get(), text, 0, tokens)) return code;
  }
  if (const int code = leading_tokens(model.model.get(), leading)) return code;
  if (model.info.n_ctx < leading.size() + 2) return complain(kUsage, "eval: --context is too small to score anything");
  const size_t step = model.info.n_ctx - leading.size();
  for (size_t begin = 0; begin < tokens.size(); begin += step) {
    std::vector<int32_t> window = leading;
    window.insert(window.end(), tokens.begin() + ptrdiff_t(begin),
                  tokens.begin() + ptrdiff_t(std::min(begin + step, tokens.size())));
    if (window.size() > 1) windows.push_back(std::move(window));
  }
  if (windows.empty()) return complain(kUsage, path + ": too short to score");
  return 0;
}

}  // namespace sluice
