// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sluice {

namespace {

using K = ValueKind;
constexpr double kMaxCount = 2147483647;

const OptionSpec kOptions[] = {
    {Opt::kMemory, "memory", 0, K::kSize, "SIZE", "budget for everything: 512M, 2G (default: what is free here)", 0, 0},
    {Opt::kThreads, "threads", 't', K::kWhole, "N", "threads that compute (default: the physical cores)", 1, 256},
    {Opt::kContext, "context", 'c', K::kWhole, "N", "tokens of context (default: 4096)", 1, kMaxCount},
    {Opt::kKv, "kv", 0, K::kChoice, "full", "KV cache: full keeps every position (default: full)", 0, 0},
    {Opt::kKvType, "kv-type", 0, K::kChoice, "q8", "numbers in the KV cache (default: q8)", 0, 0},
    {Opt::kDevice, "device", 0, K::kChoice, "auto|cpu|reference",
     "what computes; reference is exact float32 and slow (default: auto)", 0, 0},
    {Opt::kIoLimit, "io-limit", 0, K::kSize, "RATE",
     "stream at most so many bytes of weights a second: 200M (default: what the disk gives)", 0, 0},

    {Opt::kTemp, "temp", 0, K::kReal, "X", "temperature, 0 always takes the likeliest token (default: 0.8)", 0, 100},
    {Opt::kTopK, "top-k", 0, K::kWhole, "N", "draw among the N likeliest tokens, 0 is off (default: 40)", 0, kMaxCount},
    {Opt::kTopP, "top-p", 0, K::kReal, "X", "draw among the likeliest that sum to X, 1 is off (default: 0.95)", 0, 1},
    {Opt::kMinP, "min-p", 0, K::kReal, "X", "drop tokens below X times the likeliest, 0 is off (default: 0.05)", 0, 1},
    {Opt::kRepeatPenalty, "repeat-penalty", 0, K::kReal, "X", "divide logits of repeated tokens, 1 is off (default: 1)",
     0.01, 100},
    {Opt::kPresencePenalty, "presence-penalty", 0, K::kReal, "X",
     "subtract X from logits of repeated tokens (default: 0)", -100, 100},
    {Opt::kFrequencyPenalty, "frequency-penalty", 0, K::kReal, "X", "subtract X for each repetition (default: 0)", -100,
     100},
    {Opt::kPenaltyLastN, "penalty-last-n", 0, K::kWhole, "N", "tokens the penalties look back over (default: 64)", 0,
     kMaxCount},
    {Opt::kTypical, "typical", 0, K::kReal, "X",
     "draw among those nearest to the expected surprise that sum to X, 1 is off (default: 1)", 0.001, 1},
    {Opt::kTopH, "top-h", 0, K::kReal, "X",
     "draw among the likeliest with X of the entropy, 0 is off, 0.4 is usual (default: 0)", 0, 1},
    {Opt::kTopNSigma, "top-nsigma", 0, K::kReal, "X", "drop logits X deviations below the best, 0 is off (default: 0)",
     0, 1000},
    {Opt::kXtcProbability, "xtc-probability", 0, K::kReal, "X",
     "how often the top choices but the last are dropped (default: 0)", 0, 1},
    {Opt::kXtcThreshold, "xtc-threshold", 0, K::kReal, "X",
     "probability of a top choice, above 0.5 is off (default: 0.1)", 0.001, 1},
    {Opt::kDynatempRange, "dynatemp-range", 0, K::kReal, "X",
     "temperature goes up and down by X with the entropy, 0 is off (default: 0)", 0, 100},
    {Opt::kDynatempExp, "dynatemp-exp", 0, K::kReal, "X", "exponent of the entropy in it (default: 1)", 0.01, 100},
    {Opt::kDryMultiplier, "dry-multiplier", 0, K::kReal, "X",
     "punish going on with a repeated passage, 0 is off (default: 0)", 0, 1000},
    {Opt::kDryBase, "dry-base", 0, K::kReal, "X", "growth with each repeated token (default: 1.75)", 1, 1000},
    {Opt::kDryAllowedLength, "dry-allowed-length", 0, K::kWhole, "N",
     "repetitions shorter than N tokens are free (default: 2)", 1, kMaxCount},
    {Opt::kDryPenaltyLastN, "dry-penalty-last-n", 0, K::kWhole, "N", "tokens DRY looks back over (default: 64)", 0,
     kMaxCount},
    {Opt::kDrySequenceBreaker, "dry-sequence-breaker", 0, K::kText, "TEXT",
     "repetitions count anew after it; may be given again; none: no such text (default: a line's end : \" *)", 0, 0},
    {Opt::kMirostat, "mirostat", 0, K::kWhole, "0|1|2",
     "keep the surprise at a target, in place of all penalties and filters (default: 0)", 0, 2},
    {Opt::kMirostatLr, "mirostat-lr", 0, K::kReal, "X", "its learning rate (default: 0.1)", 0.001, 10},
    {Opt::kMirostatEnt, "mirostat-ent", 0, K::kReal, "X", "its target in bits (default: 5)", 0.01, 100},
    {Opt::kSeed, "seed", 0, K::kWhole, "N", "equal seeds draw equal tokens (default: a new one each time)", 0, 0},
    {Opt::kMaxTokens, "", 'n', K::kWhole, "N", "longest answer in tokens (default: to the end of the context)", 1,
     kMaxCount},
    {Opt::kStop, "stop", 0, K::kText, "TEXT", "end the answer before this text; may be given again", 0, 0},

    {Opt::kPrompt, "prompt", 'p', K::kText, "TEXT", "the text", 0, 0},
    {Opt::kPromptFile, "file", 'f', K::kText, "FILE", "read the text from a file, - is standard input", 0, 0},
    {Opt::kSystem, "system", 0, K::kText, "TEXT", "system message before the conversation", 0, 0},
    {Opt::kRaw, "raw", 0, K::kFlag, "", "no chat template; special tokens in the text are parsed", 0, 0},
    {Opt::kSpecial, "special", 0, K::kFlag, "", "special tokens written in the text become tokens", 0, 0},
    {Opt::kPieces, "pieces", 0, K::kFlag, "", "a table of ids and their texts", 0, 0},

    {Opt::kOutput, "output", 'o', K::kText, "OUT.slm", "where to write the model", 0, 0},
    {Opt::kQuantize, "quantize", 0, K::kChoice, "keep|q8|q4|q4-small",
     "what matrices become; q4 spends more bits where they count, q4-small only in the head (default: keep)", 0, 0},
    {Opt::kImportance, "importance", 0, K::kText, "FILE",
     "weigh errors by this file, made by eval --collect or llama.cpp's imatrix tool", 0, 0},
    {Opt::kText, "text", 0, K::kText, "FILE", "score this text", 0, 0},
    {Opt::kReference, "reference", 0, K::kText, "FILE.json", "compare with reference outputs", 0, 0},
    {Opt::kAgainst, "against", 0, K::kText, "MODEL", "compare with this model on --text", 0, 0},
    {Opt::kCollect, "collect", 0, K::kText, "FILE", "write how much each input matters on --text, for convert", 0, 0},
    {Opt::kMessages, "messages", 0, K::kText, "FILE.json", "the conversation; - is standard input", 0, 0},
    {Opt::kTools, "tools", 0, K::kText, "FILE.json", "a list of tools for the template", 0, 0},
    {Opt::kBos, "bos", 0, K::kText, "TEXT", "what bos_token stands for (default: the model's)", 0, 0},
    {Opt::kEos, "eos", 0, K::kText, "TEXT", "what eos_token stands for (default: the model's)", 0, 0},
    {Opt::kNoGenerationPrompt, "no-generation-prompt", 0, K::kFlag, "", "do not open the assistant's turn at the end",
     0, 0},

    {Opt::kVerify, "verify", 0, K::kFlag, "", "read every byte and compare the hashes", 0, 0},
    {Opt::kCheck, "check", 0, K::kText, "SOURCE", "compare every weight with the file it was made from", 0, 0},
    {Opt::kTensors, "tensors", 0, K::kFlag, "", "list every tensor", 0, 0},
    {Opt::kBenchPrompt, "", 'p', K::kWhole, "N", "prompt tokens, 0 skips the test (default: 512)", 0, kMaxCount},
    {Opt::kBenchDecode, "", 'n', K::kWhole, "N", "tokens to decode, 0 skips the test (default: 128)", 0, kMaxCount},
    {Opt::kBenchBatch, "", 'b', K::kChoice, "1", "conversations at a time (default: 1)", 0, 0},
    {Opt::kBenchDepth, "", 'd', K::kWhole, "N", "tokens in the context before each test (default: 0)", 0, kMaxCount},
    {Opt::kBenchRepeat, "", 'r', K::kWhole, "N", "repetitions; medians are reported (default: 5)", 1, 1000},

    {Opt::kPlot, "plot", 0, K::kText, "FILE.svg", "draw the expected speed over budgets", 0, 0},
    {Opt::kCurve, "curve", 0, K::kFlag, "", "a table of the expected speed over budgets; --json: as \"curve\"", 0, 0},

    {Opt::kJson, "json", 0, K::kFlag, "", "one JSON object on standard output, nothing else", 0, 0},
    {Opt::kQuiet, "quiet", 'q', K::kFlag, "", "no progress and no notes on standard error", 0, 0},
    {Opt::kHelp, "help", 'h', K::kFlag, "", "this help", 0, 0},
};

std::vector<std::string> choices_of(const OptionSpec& spec) {
  std::vector<std::string> all(1);
  for (const char* c = spec.value; *c; ++c) {
    if (*c == '|') {
      all.emplace_back();
    } else {
      all.back() += *c;
    }
  }
  return all;
}

template <class T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::string number_text(double value) {
  char text[32];
  snprintf(text, sizeof text, "%.10g", value);
  return text;
}

std::string range_text(const OptionSpec& spec) {
  if (spec.least == 0 && spec.most == 0) return "";
  return " from " + number_text(spec.least) + " to " + number_text(spec.most);
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// " (did you mean --threads?)", or nothing. Texts of unreasonable length are not compared.
std::string suggestion(std::string_view name, const std::vector<OptionSection>& sections) {
  const OptionSpec* best = nullptr;
  size_t best_distance = 3;
  if (name.size() > 40) return "";
  for (const OptionSection& section : sections) {
    for (Opt id : section.options) {
      const OptionSpec& spec = option_spec(id);
      if (!*spec.name) continue;
      const size_t distance = edit_distance(name, spec.name);
      if (distance < best_distance) best = &spec, best_distance = distance;
    }
  }
  return best ? " (did you mean --" + std::string(best->name) + "?)" : "";
}

const OptionSpec* find_in(const std::vector<OptionSection>& sections, std::string_view name, char letter) {
  for (const OptionSection& section : sections) {
    for (Opt id : section.options) {
      const OptionSpec& spec = option_spec(id);
      if (letter ? spec.letter == letter : (*spec.name && name == spec.name)) return &spec;
    }
  }
  return nullptr;
}

}  // namespace

const OptionSpec& option_spec(Opt id) {
  return *std::find_if(std::begin(kOptions), std::end(kOptions), [&](const OptionSpec& o) { return o.id == id; });
}

std::string option_text(const OptionSpec& spec) {
  return *spec.name ? "--" + std::string(spec.name) : std::string("-") + spec.letter;
}

std::optional<uint64_t> parse_size(std::string_view text) {
  if (text.empty() || text[0] < '0' || text[0] > '9') return {};
  size_t digits = text.find_first_not_of("0123456789.");
  if (digits == std::string_view::npos) digits = text.size();
  std::string_view unit = text.substr(digits);
  int shift = 0;
  if (!unit.empty()) {
    const size_t power = std::string_view("KMGTkmgt").find(unit[0]);
    if (power == std::string_view::npos) return {};
    shift = 10 * int(power % 4 + 1);
    unit.remove_prefix(1);
    if (!unit.empty() && unit != "B" && unit != "iB") return {};
  }
  if (text.substr(0, digits).find('.') == std::string_view::npos) {
    uint64_t value = 0;
    if (!parse_number(text.substr(0, digits), value) || value > UINT64_MAX >> shift) return {};
    return value << shift;
  }
  double value = 0;
  if (!parse_number(text.substr(0, digits), value)) return {};
  const double bytes = std::ldexp(value, shift);
  if (bytes >= 18446744073709551616.0) return {};
  return uint64_t(bytes);
}

std::string value_problem(const OptionSpec& spec, std::string_view text) {
  const std::string shown = "'" + std::string(text.substr(0, 60)) + (text.size() > 60 ? "…'" : "'");
  switch (spec.kind) {
    case K::kFlag:
    case K::kText:
      return "";
    case K::kSize: {
      const auto size = parse_size(text);
      return size && *size > 0 ? "" : shown + " is not a size; write for example 512M, 1.5G or a number of bytes";
    }
    case K::kWhole: {
      uint64_t value = 0;
      const bool limited = spec.least != 0 || spec.most != 0;
      const bool good = parse_number(text, value) && (!limited || (value >= spec.least && value <= spec.most));
      return good ? "" : shown + " is not a whole number" + range_text(spec);
    }
    case K::kReal: {
      double value = 0;
      const bool good = parse_number(text, value) && value >= spec.least && value <= spec.most;
      return good ? "" : shown + " is not a number" + range_text(spec);
    }
    case K::kChoice: {
      const auto choices = choices_of(spec);
      if (std::find(choices.begin(), choices.end(), text) != choices.end()) return "";
      std::string list;
      for (const std::string& choice : choices) list += (list.empty() ? "" : ", ") + choice;
      return shown + " is not known; allowed: " + list;
    }
  }
  return "";
}

std::string Arguments::text(Opt id, std::string_view otherwise) const {
  return has(id) ? values_.at(id).back() : std::string(otherwise);
}

uint64_t Arguments::whole(Opt id, uint64_t otherwise) const {
  if (!has(id)) return otherwise;
  return parse_size(values_.at(id).back()).value_or(otherwise);
}

double Arguments::real(Opt id, double otherwise) const {
  if (!has(id)) return otherwise;
  double value = otherwise;
  parse_number<double>(values_.at(id).back(), value);
  return value;
}

const std::vector<std::string>& Arguments::all(Opt id) const {
  static const std::vector<std::string> kNone;
  return has(id) ? values_.at(id) : kNone;
}

std::string parse_arguments(std::span<const char* const> words, const std::vector<OptionSection>& sections,
                            Arguments& arguments) {
  for (size_t i = 0; i < words.size(); ++i) {
    std::string_view word = words[i];
    if (word == "--") {
      while (++i < words.size()) arguments.add_positional(words[i]);
      break;
    }
    if (word.size() < 2 || word[0] != '-') {
      arguments.add_positional(std::string(word));
      continue;
    }
    const OptionSpec* spec;
    std::optional<std::string_view> value;
    if (word[1] == '-') {
      std::string_view name = word.substr(2);
      const size_t equals = name.find('=');
      if (equals != std::string_view::npos) value = name.substr(equals + 1), name = name.substr(0, equals);
      spec = find_in(sections, name, 0);
      if (!spec) return "unknown option --" + std::string(name.substr(0, 60)) + suggestion(name, sections);
    } else {
      spec = find_in(sections, {}, word[1]);
      if (!spec) return "unknown option " + std::string(word.substr(0, 60));
      if (word.size() > 2) value = word.substr(2);
    }
    const std::string shown = word[1] == '-' ? option_text(*spec) : std::string("-") + spec->letter;
    if (spec->kind == K::kFlag) {
      if (value) return shown + " takes no value";
      arguments.set(spec->id, "");
      continue;
    }
    if (!value) {
      if (i + 1 == words.size()) return shown + " needs a value: " + shown + " " + spec->value;
      value = words[++i];
    }
    const std::string problem = value_problem(*spec, *value);
    if (!problem.empty()) return shown + ": " + problem;
    arguments.set(spec->id, std::string(*value));
  }
  return "";
}

}  // namespace sluice
