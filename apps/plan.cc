// SPDX-License-Identifier: Apache-2.0
// sluice plan: what would run inside --memory, every byte of it, before one is allocated.
#include <algorithm>

#include "disk_probe.h"
#include "looks.h"
#include "model_arg.h"
#include "output.h"
#include "verbs.h"

namespace sluice {

namespace {

constexpr Style kColors[] = {Style::kBlue, Style::kCyan, Style::kGreen, Style::kYellow, Style::kMagenta, Style::kRed};

uint64_t number(const Json& facts, const char* key) {
  return facts.contains(key) && facts[key].is_number_unsigned() ? facts[key].get<uint64_t>() : 0;
}

struct Part {
  std::string name;
  uint64_t bytes;
};

std::vector<Part> parts_of(const Json& facts) {
  std::vector<Part> parts;
  if (!facts.contains("parts") || !facts["parts"].is_object()) return parts;
  for (const auto& [name, bytes] : facts["parts"].items()) {
    if (bytes.is_number_unsigned() && bytes.get<uint64_t>() > 0) parts.push_back({name, bytes.get<uint64_t>()});
  }
  return parts;
}

// The whole width stands for the budget, or for the plan where that is larger (then a mark shows the budget).
void draw_bar(const std::vector<Part>& parts, uint64_t budget, uint64_t planned) {
  const bool utf8 = has_utf8();
  const int width = std::min(terminal_width() - 2, 76);
  const double whole = double(std::max({budget, planned, uint64_t{1}}));
  std::string bar;
  int used = 0;
  double sum = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    sum += double(parts[i].bytes);
    const int end = std::min(width, int(sum / whole * width + 0.5));
    std::string blocks;
    for (; used < end; ++used) blocks += utf8 ? "█" : std::string(1, char('A' + i % 26));
    bar += styled(stdout, kColors[i % std::size(kColors)], blocks);
  }
  std::string rest;
  for (; used < width; ++used) rest += utf8 ? "░" : ".";
  put("  " + bar + styled(stdout, Style::kDim, rest) + "\n");
  if (planned > budget) {
    const int at = int(double(budget) / whole * width);
    put("  " + std::string(size_t(at), ' ') + (utf8 ? "▲" : "^") + " budget\n");
  }
}

void print_parts(const std::vector<Part>& parts, uint64_t planned) {
  std::vector<std::vector<std::string>> rows;
  for (const Part& part : parts) {
    char share[16];
    snprintf(share, sizeof share, "%.1f %%", 100 * double(part.bytes) / double(std::max<uint64_t>(planned, 1)));
    rows.push_back({part.name, human_bytes(part.bytes), share});
  }
  // Coloured keys go in front of finished lines, because the table counts columns.
  const std::string text = table(rows, "lrr");
  size_t begin = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t end = text.find('\n', begin) + 1;
    const std::string key = has_utf8() ? "■" : std::string(1, char('A' + i % 26));
    put("  " + styled(stdout, kColors[i % std::size(kColors)], key) + " " + text.substr(begin, end - begin));
    begin = end;
  }
}

// Where a budget that nobody named comes from.
std::string origin_of(const Json& facts) {
  const std::string from = facts.contains("budget_from") && facts["budget_from"].is_string()
                               ? facts["budget_from"].get<std::string>()
                               : "option";
  if (from == "option") return "";
  constexpr double kWorthTelling = 10;
  const bool pressed = facts.contains("memory_pressure") && facts["memory_pressure"].is_number() &&
                       facts["memory_pressure"].get<double>() >= kWorthTelling;
  return ": " + human_bytes(number(facts, "available_bytes")) + " free " +
         (from == "cgroup" ? "in this cgroup" : "on this machine") + ", less " +
         human_bytes(number(facts, "reserve_bytes")) + " for others" +
         (pressed ? " (more than usual: programs wait for memory here)" : "");
}

void print_plan(const Json& facts, const Json& model) {
  const uint64_t budget = number(facts, "budget_bytes"), planned = number(facts, "planned_bytes");
  const std::vector<Part> parts = parts_of(facts);
  const std::string name = model.contains("name") && model["name"].is_string() ? model["name"].get<std::string>() : "";
  put(styled(stdout, Style::kBold, printable(name)) + "\n\n");
  draw_bar(parts, budget, planned);
  put("\n");
  print_parts(parts, planned);
  std::vector<std::vector<std::string>> rows = {
      {"planned", human_bytes(planned)},
      {"budget", human_bytes(budget) + origin_of(facts)},
      {"least needed", human_bytes(number(facts, "minimum_bytes"))},
      {"context",
       std::to_string(number(facts, "n_ctx")) + " tokens" +
           (number(facts, "max_n_ctx") ? " (" + std::to_string(number(facts, "max_n_ctx")) + " would fit)" : "")},
      {"read for each token", human_bytes(number(facts, "weight_bytes_per_token")) + " of weights, " +
                                  human_bytes(number(facts, "kv_bytes_per_token")) + " of context, " +
                                  human_bytes(number(facts, "streamed_bytes_per_token")) + " from disk"}};
  if (facts.contains("predicted") && facts["predicted"].is_object() && facts["predicted"].contains("decode_tok_s") &&
      facts["predicted"]["decode_tok_s"].is_number()) {
    const bool disk = number(facts, "streamed_bytes_per_token") > 0;
    rows.push_back({"expected speed",
                    "at most " + human_number(facts["predicted"]["decode_tok_s"]) +
                        (disk ? " tok/s, the bound set by disk and memory" : " tok/s, the bound set by memory")});
  }
  rows.push_back({"computed by", (facts.contains("device") && facts["device"].is_string()
                                      ? printable(facts["device"].get<std::string>())
                                      : std::string("-")) +
                                     ", " + std::to_string(number(facts, "threads")) + " threads"});
  put("\n" + table(rows, "ll"));
}

int run_plan(const Arguments& arguments) {
  OpenModel model;
  if (const int code = open_model(arguments.positional()[0], model)) return code;
  sluice_options options = engine_settings(arguments);
  // The float32 oracle computes far below what memory allows. Where too little memory is free to measure, a plan is
  // still an answer.
  if (arguments.text(Opt::kDevice, "auto") != "reference")
    sluice_measure_read(options.n_threads, &options.read_GB_s, nullptr);
  PlanPtr plan;
  if (const int code = make_plan(model.model.get(), options, plan)) return code;
  Json facts, description;
  if (const int code = describe_plan(plan.get(), facts)) return code;
  if (options.read_GB_s > 0 && number(facts, "streamed_bytes_per_token") > 0) {
    options.disk_GB_s = probe_disk_GB_s(model.path);
    if (const int code = make_plan(model.model.get(), options, plan)) return code;
    if (const int code = describe_plan(plan.get(), facts)) return code;
  }
  if (arguments.has(Opt::kJson)) {
    put(json_line(facts));
  } else {
    if (const int code = describe_model(model, description)) return code;
    print_plan(facts, description);
  }
  return check_fit(plan.get());
}

}  // namespace

const Verb& plan_verb() {
  static const Verb verb = {
      "plan",
      "Measure",
      "MODEL",
      "what would run inside --memory, and how fast",
      "Lists every byte that would be used, without using any. Ends with exit code 4 when it does "
      "not fit, and says what would. Weights that do not all fit are streamed from disk for each token, through a "
      "window that is part of io. The expected speed is a bound: the bytes that one decoded token reads (weights, "
      "and the context when it is half full) over the read bandwidth of this machine's memory, measured for a tenth of "
      "a "
      "second with the threads of the plan, and what it streams over the rate at which the disk reads the file. "
      "`sluice bench` measures what is reached.",
      {engine_options(), general_options()},
      1,
      1,
      {"sluice plan model.gguf --memory 512M", "sluice plan model.gguf --memory 2G --context 32768 --json"},
      run_plan};
  return verb;
}

}  // namespace sluice
