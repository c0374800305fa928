// SPDX-License-Identifier: Apache-2.0
// The state of a chat and what can be done with it: answer the next message, and the /commands. Functions return 0 or
// an exit code after a complaint; the conversation stays usable after each of them.
#pragma once
#include <string>

#include "generation.h"

namespace sluice {

struct Conversation {
  LoadedModel model;
  Arguments settings;             // what was typed, then changed by /set
  Json messages = Json::array();  // a system message first, if there is one
  Answer last;                    // of the last question
  size_t held = 0;                // tokens of the conversation after it
};

void set_system(Conversation& chat, const std::string& text);

// Asks `text` and streams the answer to standard output. On failure the question is taken back.
int ask(Conversation& chat, const std::string& text);

// Carries out "/…"; true if the program shall end.
bool command(Conversation& chat, const std::string& line);

}  // namespace sluice
