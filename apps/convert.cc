// SPDX-License-Identifier: Apache-2.0
// sluice convert: a .gguf file or a Hugging Face folder into a .slm file, whole or not at all.
#include "sluice/convert.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "files.h"
#include "looks.h"
#include "output.h"
#include "progress.h"
#include "signals.h"
#include "template_notice.h"
#include "verbs.h"

namespace sluice {

namespace {

QuantizeTo quantize_to(const std::string& word) {
  return word == "q8"         ? QuantizeTo::kQ8
         : word == "q4"       ? QuantizeTo::kQ4
         : word == "q4-small" ? QuantizeTo::kQ4Small
                              : QuantizeTo::kKeep;
}

int run_convert(const Arguments& arguments) {
  const std::string& input = arguments.positional()[0];
  const std::string output = arguments.text(Opt::kOutput);
  if (output.empty()) return complain(kUsage, "convert: -o OUT.slm is missing");
  if (faccessat(AT_FDCWD, input.c_str(), R_OK, AT_EACCESS) != 0) {
    return complain(kBadModel, input + ": cannot open: " + strerror(errno));
  }
  std::vector<std::string> inputs = source_files(input);
  inputs.push_back(arguments.text(Opt::kImportance));
  if (const int code = check_target("convert", output, inputs)) return code;
  ConvertOptions options;
  options.quantize = quantize_to(arguments.text(Opt::kQuantize, "keep"));
  options.importance = arguments.text(Opt::kImportance);
  if (!options.importance.empty() && options.quantize == QuantizeTo::kKeep) {
    return complain(kUsage, "convert: --importance needs --quantize q8, q4 or q4-small");
  }
  Progress progress(options.quantize == QuantizeTo::kKeep ? "Converting" : "Quantizing", ProgressUnit::kBytes, 0.1);
  Json notices = Json::array();
  // Until weights are copied there is nobody to ask whether to go on.
  std::optional<SignalsEndAtOnce> while_reading(std::in_place);
  options.progress = [&](uint64_t done, uint64_t total) {
    while_reading.reset();
    return progress.update(done, total);
  };
  options.notice = [&](const std::string& line) {
    progress.clear();
    note(line);
    notices.push_back(line);
  };
  const auto result = convert_file(input, output, options);
  const double seconds = progress.seconds();
  progress.clear();
  if (!result.ok()) return complain(result.error());
  if (const std::string line = template_notice(output); !line.empty()) options.notice(line);
  const ConvertReport& report = *result;
  const double ratio = report.source_bytes ? double(report.output_bytes) / double(report.source_bytes) : 0;
  if (arguments.has(Opt::kJson)) {
    put(json_line({{"input", input},
                   {"output", output},
                   {"name", report.name},
                   {"architecture", report.architecture},
                   {"source", report.source},
                   {"n_parameters", report.n_parameters},
                   {"n_tensors", report.n_tensors},
                   {"source_bytes", report.source_bytes},
                   {"output_bytes", report.output_bytes},
                   {"ratio", ratio},
                   {"seconds", seconds},
                   {"notices", notices}}));
    return kOk;
  }
  note(output + ": " + (report.name.empty() ? report.architecture : report.name) + ", " + report.source + ", " +
       std::to_string(report.n_tensors) + " tensors, " + human_bytes(report.output_bytes) + " (" + human_number(ratio) +
       " of the input) in " + human_number(seconds) + " s");
  return kOk;
}

}  // namespace

const Verb& convert_verb() {
  static const Verb verb = {
      "convert",
      "Models on this machine",
      "IN -o OUT.slm",
      "a .gguf file or a folder with safetensors into a .slm file",
      "Every weight keeps its exact value unless --quantize asks for fewer bits. Memory stays small whatever the "
      "model; an interrupted conversion leaves nothing behind. The other verbs convert models by themselves, into "
      "the cache.",
      {{"Files", {Opt::kOutput}}, {"Weights", {Opt::kQuantize, Opt::kImportance}}, general_options()},
      1,
      1,
      {"sluice convert model.gguf -o model.slm", "sluice convert Qwen2.5-0.5B-Instruct/ -o qwen.slm",
       "sluice convert model-f16.gguf -o small.slm --quantize q4"},
      run_convert};
  return verb;
}

}  // namespace sluice
