// SPDX-License-Identifier: Apache-2.0
// sluice inspect: configuration, formats, tensors and hashes of a model file.
#include "check.h"
#include "looks.h"
#include "model_arg.h"
#include "output.h"
#include "progress.h"
#include "signals.h"
#include "verbs.h"

namespace sluice {

namespace {

std::string shown(const Json& value) {
  if (value.is_string()) return printable(value.get<std::string>());
  if (value.is_number_unsigned()) return std::to_string(value.get<uint64_t>());
  if (value.is_number_integer()) return std::to_string(value.get<int64_t>());
  if (value.is_number()) {
    char text[32];
    snprintf(text, sizeof text, "%.7g", value.get<double>());
    return text;
  }
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return "-";
  const std::string line = json_line(value);
  return printable(line.substr(0, line.size() - 1));
}

std::string field(const Json& object, const char* key) { return object.contains(key) ? shown(object[key]) : "-"; }

void heading(const char* text) { put("\n" + styled(stdout, Style::kBold, text) + "\n"); }

std::string indented(const std::string& text) {
  std::string out;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    out += "  " + text.substr(begin, end - begin);
    begin = end;
  }
  return out;
}

void print_fields(const char* title, const Json& facts, const char* key) {
  if (!facts.contains(key) || !facts[key].is_object() || facts[key].empty()) return;
  std::vector<std::vector<std::string>> rows;
  for (const auto& [name, value] : facts[key].items()) {
    if (value.is_number() && value.get<double>() < 0) continue;  // the file says nothing about it
    rows.push_back({printable(name), shown(value)});
  }
  if (rows.empty()) return;
  heading(title);
  put(indented(table(rows, "ll")));
}

// Bytes and tensors of each format.
void print_formats(const Json& facts) {
  struct Sum {
    uint64_t tensors = 0, bytes = 0;
  };
  std::vector<std::pair<std::string, Sum>> sums;
  for (const Json& tensor : facts["tensors"]) {
    if (!tensor.is_object()) continue;
    const std::string format = field(tensor, "format");
    size_t i = 0;
    while (i < sums.size() && sums[i].first != format) ++i;
    if (i == sums.size()) sums.emplace_back(format, Sum{});
    ++sums[i].second.tensors;
    sums[i].second.bytes += count_in(tensor, "bytes");
  }
  std::vector<std::vector<std::string>> rows = {{"format", "tensors", "bytes"}};
  for (const auto& [format, sum] : sums) rows.push_back({format, std::to_string(sum.tensors), human_bytes(sum.bytes)});
  heading("Formats");
  put(indented(table(rows, "lrr")));
}

void print_tensors(const Json& facts) {
  std::vector<std::vector<std::string>> rows = {
      {"name", "role", "layer", "format", "rows", "inputs", "bytes", "access"}};
  for (const Json& t : facts["tensors"]) {
    rows.push_back({field(t, "name"), field(t, "role"), field(t, "layer"), field(t, "format"), field(t, "rows"),
                    field(t, "cols"), human_bytes(count_in(t, "bytes")), field(t, "access")});
  }
  heading("Tensors");
  put(indented(table(rows, "llrlrrrl")));
}

void print_model(const OpenModel& model, const Json& facts, bool tensors) {
  put(styled(stdout, Style::kBold, field(facts, "name")) + "\n");
  const bool has_tensors = facts.contains("tensors") && facts["tensors"].is_array() && !facts["tensors"].empty();
  put(indented(table({{"file", printable(model.path)},
                      {"size", human_bytes(count_in(facts, "file_bytes"))},
                      {"architecture", field(facts, "architecture")},
                      {"made from", field(facts, "source")},
                      {"layout", field(facts, "layout")},
                      {"parameters", grouped(count_in(facts, "n_parameters"))}},
                     "ll")));
  print_fields("Configuration", facts, "config");
  print_fields("Vocabulary", facts, "vocab");
  print_fields("Sampling defaults of the file", facts, "sampling");
  if (has_tensors) print_formats(facts);
  if (has_tensors && tensors) print_tensors(facts);
}

int verify(const OpenModel& model, sluice_error& error) {
  Progress progress("Verifying", ProgressUnit::kBytes);
  const sluice_status status = sluice_model_verify(model.model.get(), progress_callback, &progress, &error);
  progress.clear();
  return status == SLUICE_OK ? 0 : interrupted() ? interrupt_exit_code() : complain(error);
}

int run_inspect(const Arguments& arguments) {
  OpenModel model;
  if (const int code = open_model(arguments.positional()[0], model)) return code;
  Json facts;
  if (const int code = describe_model(model, facts)) return code;
  if (arguments.has(Opt::kVerify)) {
    sluice_error error = SLUICE_ERROR_INIT;
    if (const int code = verify(model, error)) return code;
    facts["verified"] = true;
  }
  CheckReport check;
  const std::string source = arguments.text(Opt::kCheck);
  if (arguments.has(Opt::kCheck)) {
    if (const int code = check_source(model, facts, source, check)) return code;
    facts["check"] = check_json(check, source);
  }
  const int code = check.equal() ? kOk : kFailed;
  if (arguments.has(Opt::kJson)) {
    put(json_line(facts));
    return code;
  }
  print_model(model, facts, arguments.has(Opt::kTensors));
  if (arguments.has(Opt::kVerify)) put("\n" + styled(stdout, Style::kGreen, "All hashes are right.") + "\n");
  if (arguments.has(Opt::kCheck)) print_check(check, source);
  return code;
}

}  // namespace

const Verb& inspect_verb() {
  static const Verb verb = {"inspect",
                            "Look inside",
                            "MODEL",
                            "configuration, formats, tensors, hashes",
                            "",
                            {{"What is shown", {Opt::kVerify, Opt::kCheck, Opt::kTensors}}, general_options()},
                            1,
                            1,
                            {"sluice inspect model.gguf", "sluice inspect model.slm --verify --tensors",
                             "sluice inspect model.slm --check model.gguf"},
                            run_inspect};
  return verb;
}

}  // namespace sluice
