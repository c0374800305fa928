// SPDX-License-Identifier: Apache-2.0
#include "conversation.h"

#include "expected_speed.h"
#include "looks.h"
#include "output.h"
#include "signals.h"

namespace sluice {

namespace {

std::string room(const Conversation& chat) {
  return "the context of " + std::to_string(chat.model.info.n_ctx) + " tokens";
}

constexpr const char* kWayOut = "; /clear begins anew, `sluice chat --context N` gives more room";

}  // namespace

void set_system(Conversation& chat, const std::string& text) {
  const bool has = !chat.messages.empty() && chat.messages[0]["role"] == "system";
  if (has) chat.messages.erase(0);
  if (!text.empty()) chat.messages.insert(chat.messages.begin(), Json{{"role", "system"}, {"content", text}});
}

int ask(Conversation& chat, const std::string& text) {
  chat.messages.push_back({{"role", "user"}, {"content", text}});
  const auto take_back = [&](int code) {
    chat.messages.erase(chat.messages.size() - 1);
    return code;
  };
  std::vector<int32_t> tokens;
  if (const int code = chat_tokens(chat.model, chat.messages, tokens)) return take_back(code);
  if (tokens.size() >= chat.model.info.n_ctx) {
    return take_back(complain(kUsage, "the conversation with this message has " + std::to_string(tokens.size()) +
                                          " tokens and does not fit " + room(chat) + kWayOut));
  }
  const bool terminal = is_terminal(stdout);
  const sluice_sampling sampling = sampling_settings(chat.model.model.get(), chat.settings);
  Answer answer;
  const auto show = [&](std::string_view piece) { return put(terminal ? printable(piece) : piece); };
  if (const int code = generate(chat.model, tokens, chat.settings, sampling, show, answer)) return take_back(code);
  put("\n");
  // Stopped before the first word: as if it had not been asked.
  if (answer.result.finish == SLUICE_FINISH_CANCELLED && answer.text.empty()) return take_back(0);
  chat.messages.push_back({{"role", "assistant"}, {"content", answer.text}});
  chat.held = tokens.size() + answer.result.n_generated;
  if (answer.result.finish == SLUICE_FINISH_LENGTH) {
    if (chat.held >= chat.model.info.n_ctx) {
      note(room(chat) + " is full, the answer ends here" + kWayOut);
    } else {
      note("stopped after " + std::to_string(answer.result.n_generated) + " tokens (-n)");
    }
  }
  remember_speed(chat.model, answer.decoded(), answer.result.decode_s, answer.mean_depth());
  chat.last = std::move(answer);
  return 0;
}

}  // namespace sluice
