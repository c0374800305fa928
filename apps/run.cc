// SPDX-License-Identifier: Apache-2.0
// sluice run: one answer on standard output.
#include <unistd.h>

#include "expected_speed.h"
#include "generation.h"
#include "looks.h"
#include "output.h"
#include "signals.h"
#include "verbs.h"

namespace sluice {

namespace {

int read_prompt(const Arguments& arguments, std::string& prompt) {
  const bool text = arguments.has(Opt::kPrompt), file = arguments.has(Opt::kPromptFile);
  if (text && file) return complain(kUsage, "run: give either -p or -f, not both");
  if (text) {
    prompt = arguments.text(Opt::kPrompt);
  } else if (file || !isatty(STDIN_FILENO)) {
    if (const int code = read_text(arguments.text(Opt::kPromptFile, "-"), kMostPromptBytes, prompt)) return code;
    if (!arguments.has(Opt::kRaw) && prompt.ends_with('\n')) prompt.pop_back();
  } else {
    return complain(kUsage, "run: no prompt; give -p TEXT, -f FILE or text on standard input");
  }
  if (prompt.empty() && !arguments.has(Opt::kRaw)) return complain(kUsage, "run: the prompt is empty");
  return 0;
}

int prompt_tokens(const LoadedModel& model, const Arguments& arguments, const std::string& prompt,
                  std::vector<int32_t>& tokens) {
  if (arguments.has(Opt::kRaw)) return raw_tokens(model, prompt, tokens);
  bool has_template = false;
  if (const int code = has_chat_template(model, has_template)) return code;
  if (!has_template && arguments.has(Opt::kSystem)) {
    return complain(kUsage, "run: this model has no chat template, so it knows no --system");
  }
  if (!has_template) {
    note("this model has no chat template: it continues the prompt as plain text");
    return raw_tokens(model, prompt, tokens);
  }
  Json messages = Json::array();
  if (arguments.has(Opt::kSystem)) messages.push_back({{"role", "system"}, {"content", arguments.text(Opt::kSystem)}});
  messages.push_back({{"role", "user"}, {"content", prompt}});
  return chat_tokens(model, messages, tokens);
}

Json report(const LoadedModel& model, const std::vector<int32_t>& prompt, const Answer& answer, uint64_t seed) {
  static constexpr const char* kReasons[] = {"stop", "length", "cancelled"};
  const sluice_result& r = answer.result;
  const sluice_memory memory = engine_memory(model.engine.get());
  return {{"text", answer.text},
          {"tokens", answer.tokens},
          {"prompt_tokens", prompt},
          {"finish_reason", kReasons[r.finish]},
          {"seed", seed},
          {"timing",
           {{"load_s", model.info.load_s},
            {"prefill_s", r.prefill_s},
            {"decode_s", r.decode_s},
            {"prompt_tok_s", answer.prompt_rate()},
            {"decode_tok_s", answer.decode_rate()}}},
          {"memory",
           {{"budget_bytes", memory.budget_bytes},
            {"planned_bytes", memory.planned_bytes},
            {"peak_bytes", memory.peak_bytes},
            {"process_peak_bytes", memory.process_peak_bytes}}},
          {"io", {{"bytes_per_token", model.info.streamed_bytes_per_token}, {"path", model.info.io}}}};
}

int run_run(const Arguments& arguments) {
  std::string prompt;
  if (arguments.has(Opt::kRaw) && arguments.has(Opt::kSystem)) {
    return complain(kUsage, "run: --system needs the chat template, which --raw leaves out");
  }
  if (const int code = read_prompt(arguments, prompt)) return code;
  LoadedModel model;
  if (const int code = load_model(arguments.positional()[0], engine_settings(arguments), model)) return code;
  std::vector<int32_t> tokens;
  if (const int code = prompt_tokens(model, arguments, prompt, tokens)) return code;

  const bool json = arguments.has(Opt::kJson), terminal = is_terminal(stdout);
  const auto show = [&](std::string_view text) { return json || put(terminal ? printable(text) : text); };
  const sluice_sampling sampling = sampling_settings(model.model.get(), arguments);
  Answer answer;
  if (const int code = generate(model, tokens, arguments, sampling, show, answer)) return code;
  if (json) {
    put(json_line(report(model, tokens, answer, sampling.seed)));
  } else if (terminal) {
    put("\n");
  }
  if (interrupted()) return interrupt_exit_code();
  remember_speed(model, answer.decoded(), answer.result.decode_s, answer.mean_depth());
  if (is_terminal(stderr) && !json) {
    note(std::to_string(answer.result.n_generated) + " tokens, " + human_number(answer.decode_rate()) +
         " tok/s · prompt " + std::to_string(answer.result.n_prompt) + " tokens, " +
         human_number(answer.prompt_rate()) + " tok/s · memory " +
         human_bytes(engine_memory(model.engine.get()).peak_bytes));
  }
  return kOk;
}

}  // namespace

const Verb& run_verb() {
  static const Verb verb = {"run",
                            "Use a model",
                            "MODEL -p TEXT",
                            "one answer on standard output",
                            "Answers one prompt: the text of -p, of a file, or of standard input. The answer goes to "
                            "standard output as it is "
                            "made, everything else to standard error.",
                            {{"The prompt", {Opt::kPrompt, Opt::kPromptFile, Opt::kSystem, Opt::kRaw}},
                             sampling_options(),
                             engine_options(),
                             general_options()},
                            1,
                            1,
                            {"sluice run model.gguf -p \"Why is the sky blue?\"",
                             "sluice run model.gguf -f notes.txt --system \"Summarize.\" -n 200",
                             "git diff | sluice run model.gguf --system \"Review this change.\" --temp 0",
                             "sluice run model.gguf --raw -p \"Once upon a time\" --json"},
                            run_run};
  return verb;
}

}  // namespace sluice
