// SPDX-License-Identifier: Apache-2.0
// `sluice --help` and `sluice VERB --help`, made from the tables.
#include <algorithm>
#include <cstring>

#include "looks.h"
#include "verbs.h"

namespace sluice {

namespace {

constexpr size_t kMostColumns = 100;

size_t help_width() { return std::min(kMostColumns, size_t(std::max(terminal_width(), 50))); }

std::string bold(FILE* stream, std::string_view text) { return styled(stream, Style::kBold, text); }

std::string option_words(const OptionSpec& spec) {
  std::string words = spec.letter ? std::string("-") + spec.letter : "   ";
  if (*spec.name) words += (spec.letter ? ", --" : " --") + std::string(spec.name);
  if (spec.kind != ValueKind::kFlag) words += std::string(" ") + spec.value;
  return words;
}

}  // namespace

OptionSection engine_options() {
  return {"Memory and computation",
          {Opt::kMemory, Opt::kThreads, Opt::kContext, Opt::kKv, Opt::kKvType, Opt::kDevice, Opt::kIoLimit}};
}

OptionSection sampling_options() {
  return {"The answer",
          {Opt::kMaxTokens,
           Opt::kStop,
           Opt::kTemp,
           Opt::kTopK,
           Opt::kTopP,
           Opt::kMinP,
           Opt::kRepeatPenalty,
           Opt::kPresencePenalty,
           Opt::kFrequencyPenalty,
           Opt::kPenaltyLastN,
           Opt::kSeed,
           Opt::kTypical,
           Opt::kTopH,
           Opt::kTopNSigma,
           Opt::kXtcProbability,
           Opt::kXtcThreshold,
           Opt::kDynatempRange,
           Opt::kDynatempExp,
           Opt::kDryMultiplier,
           Opt::kDryBase,
           Opt::kDryAllowedLength,
           Opt::kDryPenaltyLastN,
           Opt::kDrySequenceBreaker,
           Opt::kMirostat,
           Opt::kMirostatLr,
           Opt::kMirostatEnt}};
}

OptionSection general_options(bool json) {
  if (!json) return {"General", {Opt::kQuiet, Opt::kHelp}};
  return {"General", {Opt::kJson, Opt::kQuiet, Opt::kHelp}};
}

void print_program_help(FILE* stream, const std::vector<const Verb*>& verbs) {
  fprintf(stream, "Runs language models inside a memory budget.\n\n%s sluice VERB …\n", bold(stream, "Usage:").c_str());
  const char* group = "";
  for (const Verb* verb : verbs) {
    if (strcmp(group, verb->group) != 0) fprintf(stream, "\n%s\n", bold(stream, group = verb->group).c_str());
    fprintf(stream, "  %-9s %s\n", verb->name, verb->summary);
  }
  fprintf(stream,
          "\n%s\n"
          "  sluice chat model.gguf\n"
          "  sluice run model.gguf -p \"Why is the sky blue?\" --memory 512M\n"
          "\nMODEL is a .slm file, a .gguf file (converted once into the cache), or a name from `sluice list`.\n"
          "`sluice VERB --help` shows the options of a verb, `sluice --version` the version.\n",
          bold(stream, "Examples").c_str());
}

void print_verb_help(FILE* stream, const Verb& verb) {
  const size_t width = help_width();
  fprintf(stream, "%s sluice %s %s\n", bold(stream, "Usage:").c_str(), verb.name, verb.usage);
  if (*verb.about) fprintf(stream, "\n%s\n", wrapped(verb.about, 0, 0, width).c_str());
  size_t column = 0;
  for (const OptionSection& section : verb.sections) {
    for (Opt id : section.options) column = std::max(column, option_words(option_spec(id)).size());
  }
  for (const OptionSection& section : verb.sections) {
    fprintf(stream, "\n%s\n", bold(stream, section.title).c_str());
    for (Opt id : section.options) {
      const OptionSpec& spec = option_spec(id);
      fprintf(stream, "  %s  %s\n", padded(option_words(spec), column).c_str(),
              wrapped(spec.help, column + 4, column + 4, width).c_str());
    }
  }
  fprintf(stream, "\n%s\n", bold(stream, verb.examples.size() > 1 ? "Examples" : "Example").c_str());
  for (const char* example : verb.examples) fprintf(stream, "  %s\n", example);
}

}  // namespace sluice
