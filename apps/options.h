// SPDX-License-Identifier: Apache-2.0
// The one table of everything that can be typed after a verb: name, kind of value, limits, help. Parsing, usage errors,
// --help and the chat's /set all read it. An option stands here only if it works.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

enum class Opt {
  // engine
  kMemory,
  kThreads,
  kContext,
  kKv,
  kKvType,
  kDevice,
  kIoLimit,
  // sampling and length
  kTemp,
  kTopK,
  kTopP,
  kMinP,
  kRepeatPenalty,
  kPresencePenalty,
  kFrequencyPenalty,
  kPenaltyLastN,
  kTypical,
  kTopH,
  kTopNSigma,
  kXtcProbability,
  kXtcThreshold,
  kDynatempRange,
  kDynatempExp,
  kDryMultiplier,
  kDryBase,
  kDryAllowedLength,
  kDryPenaltyLastN,
  kDrySequenceBreaker,
  kMirostat,
  kMirostatLr,
  kMirostatEnt,
  kSeed,
  kMaxTokens,
  kStop,
  // prompts
  kPrompt,
  kPromptFile,
  kSystem,
  kRaw,
  kSpecial,
  kPieces,
  // files of single verbs
  kOutput,
  kQuantize,
  kImportance,
  kText,
  kReference,
  kAgainst,
  kCollect,
  kMessages,
  kTools,
  kBos,
  kEos,
  kNoGenerationPrompt,
  // inspect, bench
  kVerify,
  kCheck,
  kTensors,
  kBenchPrompt,
  kBenchDecode,
  kBenchBatch,
  kBenchDepth,
  kBenchRepeat,
  // plan
  kPlot,
  kCurve,
  // everywhere
  kJson,
  kQuiet,
  kHelp,
};

enum class ValueKind { kFlag, kText, kSize, kWhole, kReal, kChoice };

struct OptionSpec {
  Opt id;
  const char* name;  // without dashes; "" for an option that is a letter only
  char letter;       // 0: none
  ValueKind kind;
  const char* value;  // word for the value in help; choices separated by '|' for kChoice
  const char* help;
  double least, most;  // of kWhole and kReal; both 0: no limits
};

const OptionSpec& option_spec(Opt id);
// The option written "--name", or "-x" where there is no name.
std::string option_text(const OptionSpec& spec);

// Bytes in "512M", "2G", "1.5G", "1048576": units K, M, G, T are powers of 1024. Nothing for anything else.
std::optional<uint64_t> parse_size(std::string_view text);

// Why `text` is no value for the option ("'x' is not a whole number from 1 to 1024"); empty if it is one.
std::string value_problem(const OptionSpec& spec, std::string_view text);

struct OptionSection {
  const char* title;
  std::vector<Opt> options;
};

// What was typed after a verb. Values have been checked against the table: the getters cannot fail.
class Arguments {
 public:
  bool has(Opt id) const { return values_.count(id) != 0; }
  std::string text(Opt id, std::string_view otherwise = {}) const;
  uint64_t whole(Opt id, uint64_t otherwise) const;  // also kSize
  double real(Opt id, double otherwise) const;
  const std::vector<std::string>& all(Opt id) const;  // every value of an option given several times
  const std::vector<std::string>& positional() const { return positional_; }

  void set(Opt id, std::string value) { values_[id].push_back(std::move(value)); }
  void forget(Opt id) { values_.erase(id); }
  void add_positional(std::string value) { positional_.push_back(std::move(value)); }

 private:
  std::map<Opt, std::vector<std::string>> values_;
  std::vector<std::string> positional_;
};

// Reads `words` by the options of `sections`. Returns an empty text, or a usage error that names the option and what
// is allowed. Options and positional words may be mixed; "--" ends the options.
std::string parse_arguments(std::span<const char* const> words, const std::vector<OptionSection>& sections,
                            Arguments& arguments);

}  // namespace sluice
