// SPDX-License-Identifier: Apache-2.0
// sluice template: the prompt a chat template makes of a conversation, byte for byte.
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "model_arg.h"
#include "output.h"
#include "verbs.h"

namespace sluice {

namespace {

constexpr uint64_t kMostTemplateBytes = 1 << 20;

// A template is text: models of either format have NUL bytes in their first few.
bool looks_like_text(const std::string& path) {
  char head[64];
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return false;
  const ssize_t n = read(fd, head, sizeof head);
  close(fd);
  return n >= 0 && !memchr(head, 0, size_t(n)) && !(n >= 4 && memcmp(head, "GGUF", 4) == 0);
}

int run_template(const Arguments& arguments) {
  if (!arguments.has(Opt::kMessages)) return complain(kUsage, "template: --messages FILE.json is missing");
  const std::string& word = arguments.positional()[0];
  Json messages, request;
  if (const int code = read_messages(arguments.text(Opt::kMessages), messages, request)) return code;
  request["messages"] = messages;
  if (arguments.has(Opt::kTools)) {
    Json tools;
    if (const int code = read_json(arguments.text(Opt::kTools), tools)) return code;
    if (!tools.is_array()) return complain(kUsage, arguments.text(Opt::kTools) + ": expected a list of tools");
    request["tools"] = tools;
  }
  if (arguments.has(Opt::kBos)) request["bos_token"] = arguments.text(Opt::kBos);
  if (arguments.has(Opt::kEos)) request["eos_token"] = arguments.text(Opt::kEos);
  if (arguments.has(Opt::kNoGenerationPrompt) || !request.contains("add_generation_prompt")) {
    request["add_generation_prompt"] = !arguments.has(Opt::kNoGenerationPrompt);
  }
  OpenModel model;
  if (looks_like_text(word)) {
    std::string text;
    if (const int code = read_text(word, kMostTemplateBytes, text)) return code;
    request["template"] = text;
  } else if (const int code = open_model(word, model)) {
    return code;
  }
  const std::string line = json_line(request);
  Text prompt;
  sluice_error error = SLUICE_ERROR_INIT;
  if (sluice_render_chat(model.model.get(), line.data(), line.size(), prompt.out(), &error) != SLUICE_OK) {
    return complain(error);
  }
  put(prompt.view());
  return kOk;
}

}  // namespace

const Verb& template_verb() {
  static const Verb verb = {
      "template",
      "Look inside",
      "MODEL|FILE --messages FILE.json",
      "the prompt a chat template makes, byte for byte",
      "Renders a conversation with a model's chat template, or with the Jinja text in FILE. FILE.json is a list of "
      "messages, or an object whose further members become variables of the template.",
      {{"The conversation", {Opt::kMessages, Opt::kTools, Opt::kBos, Opt::kEos, Opt::kNoGenerationPrompt}},
       general_options(false)},
      1,
      1,
      {"sluice template model.gguf --messages chat.json",
       "sluice template chatml.jinja --messages chat.json --bos \"<s>\""},
      run_template};
  return verb;
}

}  // namespace sluice
