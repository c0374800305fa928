// SPDX-License-Identifier: Apache-2.0
// sluice tokenize: a text as the model's token ids.
#include <unistd.h>

#include "looks.h"
#include "model_arg.h"
#include "output.h"
#include "signals.h"
#include "verbs.h"

namespace sluice {

namespace {

// A piece on one line, with its surroundings visible.
std::string quoted(std::string_view piece) {
  std::string out = json_line(std::string(piece));
  out.pop_back();
  return out;
}

int print_pieces(const sluice_model* model, const std::vector<int32_t>& tokens) {
  for (int32_t token : tokens) {
    Text piece;
    sluice_error error = SLUICE_ERROR_INIT;
    if (sluice_detokenize(model, &token, 1, true, piece.out(), &error) != SLUICE_OK) return complain(error);
    if (!put(padded(std::to_string(token), 7, true) + "  " + quoted(piece.view()) + "\n")) break;
  }
  return kOk;
}

int run_tokenize(const Arguments& arguments) {
  std::string text;
  if (arguments.has(Opt::kPrompt) && arguments.has(Opt::kPromptFile)) {
    return complain(kUsage, "tokenize: give either -p or -f, not both");
  }
  if (arguments.has(Opt::kPrompt)) {
    text = arguments.text(Opt::kPrompt);
  } else if (arguments.has(Opt::kPromptFile) || !isatty(STDIN_FILENO)) {
    if (const int code = read_text(arguments.text(Opt::kPromptFile, "-"), kMostTextBytes, text)) return code;
  } else {
    return complain(kUsage, "tokenize: no text; give -p TEXT, -f FILE or text on standard input");
  }
  OpenModel model;
  if (const int code = open_model(arguments.positional()[0], model)) return code;
  std::vector<int32_t> tokens;
  const SignalsEndAtOnce nothing_to_unwind;
  const uint32_t flags = arguments.has(Opt::kSpecial) ? SLUICE_PARSE_SPECIAL : 0;
  if (const int code = tokenize(model.model.get(), text, flags, tokens)) return code;
  if (arguments.has(Opt::kJson)) {
    put(json_line({{"tokens", tokens}}));
  } else if (arguments.has(Opt::kPieces)) {
    return print_pieces(model.model.get(), tokens);
  } else {
    std::string line;
    for (int32_t token : tokens) line += (line.empty() ? "" : " ") + std::to_string(token);
    put(line + "\n");
  }
  return kOk;
}

}  // namespace

const Verb& tokenize_verb() {
  static const Verb verb = {
      "tokenize",
      "Look inside",
      "MODEL -p TEXT | -f FILE",
      "a text as token ids",
      "No begin or end token is added. Works with every vocabulary the program can read, also with vocabulary-only "
      "GGUF "
      "files of any architecture.",
      {{"The text", {Opt::kPrompt, Opt::kPromptFile, Opt::kSpecial, Opt::kPieces}}, general_options()},
      1,
      1,
      {"sluice tokenize model.gguf -p \"Hello, world\" --pieces", "sluice tokenize model.gguf -f book.txt --json"},
      run_tokenize};
  return verb;
}

}  // namespace sluice
