// SPDX-License-Identifier: Apache-2.0
// sluice chat: a conversation in the terminal, or over standard input line by line.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "conversation.h"
#include "line_input.h"
#include "looks.h"
#include "output.h"
#include "signals.h"
#include "verbs.h"

namespace sluice {

namespace {

// $XDG_STATE_HOME/sluice/history, made if it is missing; empty if there is no place for it.
std::string history_file() {
  const char* state = getenv("XDG_STATE_HOME");
  const char* home = getenv("HOME");
  std::string folder;
  if (state && *state == '/') {
    folder = std::string(state) + "/sluice";
  } else if (home && *home == '/') {
    folder = std::string(home) + "/.local/state/sluice";
  }
  return folder.empty() || !make_folders(folder) ? "" : folder + "/history";
}

void greet(const Conversation& chat) {
  Json facts;
  if (describe_model(chat.model, facts) != 0) return;
  const sluice_memory memory = engine_memory(chat.model.engine.get());
  const std::string name = facts.contains("name") && facts["name"].is_string() ? facts["name"].get<std::string>() : "";
  const std::string title = styled(stderr, Style::kBold, printable(name.empty() ? chat.model.path : name));
  if (!is_quiet()) fprintf(stderr, "%s\n", title.c_str());
  note_lines(human_bytes(memory.planned_bytes) + " of " + human_bytes(memory.budget_bytes) + " · context " +
             std::to_string(chat.model.info.n_ctx) + " · " + std::to_string(chat.model.info.n_threads) + " threads · " +
             chat.model.info.device + " " + chat.model.info.isa +
             "\n/help shows the commands, Ctrl-C stops an answer, Ctrl-D leaves\n");
}

// After a signal at the prompt: an exit code to leave with, or 0 to go on.
int after_interrupt(bool terminal) {
  const int code = interrupt_exit_code();
  if (code != kInterrupted || !terminal) return code;
  clear_interrupt();
  return 0;
}

int converse(Conversation& chat) {
  const bool terminal = is_terminal(stdin);
  std::unique_ptr<LineSource> lines = terminal && is_terminal(stderr) ? edited_lines(history_file()) : nullptr;
  if (!lines) lines = plain_lines();
  std::string message;
  while (!output_broken()) {
    const LineStatus status = read_message(*lines, message);
    if (status == LineStatus::kEnd) break;
    if (status == LineStatus::kInterrupted) {
      if (const int code = after_interrupt(terminal)) return code;
      if (message.empty()) note("/exit or Ctrl-D leaves");
      continue;
    }
    if (status == LineStatus::kTooLong) {
      complain(kUsage, "a message has more than " + human_bytes(kMostMessageBytes));
      if (terminal) continue;
      return kUsage;
    }
    if (message.find_first_not_of(" \t\n") == std::string::npos) continue;
    if (message[0] == '/') {
      if (command(chat, message)) break;
      if (terminal) fputc('\n', stderr);
      continue;
    }
    const int answered = ask(chat, message);
    if (interrupted()) {
      if (const int code = after_interrupt(terminal)) return code;
      note("(stopped)");
    } else if (answered && !terminal) {
      return answered;  // what follows was written for a conversation that did not take place
    }
    if (terminal) put("\n");
  }
  return kOk;
}

int run_chat(const Arguments& arguments) {
  Conversation chat;
  if (const int code = load_model(arguments.positional()[0], engine_settings(arguments), chat.model)) return code;
  bool has_template = false;
  if (const int code = has_chat_template(chat.model, has_template)) return code;
  if (!has_template) {
    return complain(kUsage, "chat: this model has no chat template; `sluice run --raw` lets it continue a text");
  }
  chat.settings = arguments;
  set_system(chat, arguments.text(Opt::kSystem));
  if (is_terminal(stdin)) greet(chat);
  return converse(chat);
}

}  // namespace

const Verb& chat_verb() {
  static const Verb verb = {
      "chat",
      "Use a model",
      "MODEL",
      "talk in the terminal",
      "Ctrl-C stops an answer, Ctrl-D or /exit leaves, /help shows the commands. Without a terminal each line of "
      "standard input is a message, and the first that cannot be answered ends the program.",
      {{"The conversation", {Opt::kSystem}}, sampling_options(), engine_options(), general_options(false)},
      1,
      1,
      {"sluice chat model.gguf", "sluice chat model.gguf --system \"Answer in one sentence.\" --memory 1G"},
      run_chat};
  return verb;
}

}  // namespace sluice
