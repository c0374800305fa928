// SPDX-License-Identifier: Apache-2.0
// sluice plan: what would run inside --memory, every byte of it, before one is allocated.
#include <algorithm>

#include "curve.h"
#include "expected_speed.h"
#include "looks.h"
#include "model_arg.h"
#include "output.h"
#include "verbs.h"

namespace sluice {

namespace {

constexpr Style kColors[] = {Style::kBlue, Style::kCyan, Style::kGreen, Style::kYellow, Style::kMagenta, Style::kRed};

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
  return ": " + human_bytes(count_in(facts, "available_bytes")) + " free " +
         (from == "cgroup" ? "in this cgroup" : "on this machine") + ", less " +
         human_bytes(count_in(facts, "reserve_bytes")) + " for others" +
         (pressed ? " (more than usual: programs wait for memory here)" : "");
}

double real(const Json& facts, const char* key) {
  return facts.is_object() && facts.contains(key) && facts[key].is_number() ? facts[key].get<double>() : 0;
}

// Null where no speed is predicted.
Json prediction_of(const Json& facts) {
  const bool known = facts.contains("predicted") && facts["predicted"].is_object();
  return known && real(facts["predicted"], "decode_tok_s") > 0 ? facts["predicted"] : Json();
}

// Bytes a second at which weights are streamed.
double disk_rate(const Json& facts, const Json& speed) {
  const double disk = real(speed, "disk_GB_s") * 1e9, limit = real(facts, "io_limit");
  return limit > 0 ? std::min(disk, limit) : disk;
}

double disk_seconds(const Json& facts, const Json& speed) {
  const double rate = disk_rate(facts, speed);
  return rate > 0 ? real(facts, "streamed_bytes_per_token") / rate : 0;
}

bool disk_sets_pace(const Json& facts) {
  const Json speed = prediction_of(facts);
  return !speed.is_null() && 1 / real(speed, "decode_tok_s") > real(speed, "token_s") * 1.001;
}

std::string speed_text(const Json& speed) {
  return human_number(real(speed, "decode_tok_s")) + " tok/s, " + human_number(real(speed, "half_full_tok_s")) +
         " with half of the context full; " +
         (speed.contains("from") && speed["from"] == "run" ? "as this model ran here before"
                                                           : "from a probe of this machine");
}

std::string pace_text(const Json& facts, const Json& speed) {
  const double disk_s = disk_seconds(facts, speed), token_s = real(speed, "token_s");
  const auto milliseconds = [](double s) { return human_number(1000 * s) + " ms"; };
  const std::string computing = "computing, " + milliseconds(token_s) + " a token";
  if (disk_s <= 0) return computing;
  const bool limited = real(facts, "io_limit") > 0 && disk_rate(facts, speed) < real(speed, "disk_GB_s") * 1e9;
  const std::string disk = std::string(limited ? "--io-limit" : "the disk") + ", " + milliseconds(disk_s) + " at " +
                           human_number(disk_rate(facts, speed) / 1e9) + " GB/s";
  return disk_sets_pace(facts) ? disk + " (" + computing + ")" : computing + " (" + disk + ")";
}

void print_plan(const Json& facts, const std::string& name) {
  const uint64_t budget = count_in(facts, "budget_bytes"), planned = count_in(facts, "planned_bytes");
  const std::vector<Part> parts = parts_of(facts);
  put(styled(stdout, Style::kBold, name) + "\n\n");
  draw_bar(parts, budget, planned);
  put("\n");
  print_parts(parts, planned);
  std::vector<std::vector<std::string>> rows = {
      {"planned", human_bytes(planned)},
      {"budget", human_bytes(budget) + origin_of(facts)},
      {"least needed", human_bytes(count_in(facts, "minimum_bytes"))},
      {"context",
       std::to_string(count_in(facts, "n_ctx")) + " tokens" +
           (count_in(facts, "max_n_ctx") ? " (" + std::to_string(count_in(facts, "max_n_ctx")) + " would fit)" : "")},
      {"read for each token", human_bytes(count_in(facts, "weight_bytes_per_token")) + " of weights, " +
                                  human_bytes(count_in(facts, "kv_bytes_per_token")) + " of context, " +
                                  human_bytes(count_in(facts, "streamed_bytes_per_token")) + " from disk"}};
  if (const Json speed = prediction_of(facts); !speed.is_null()) {
    rows.push_back({"expected speed", speed_text(speed)});
    rows.push_back({"", "set by " + pace_text(facts, speed)});
  }
  rows.push_back({"computed by", (facts.contains("device") && facts["device"].is_string()
                                      ? printable(facts["device"].get<std::string>())
                                      : std::string("-")) +
                                     ", " + std::to_string(count_in(facts, "threads")) + " threads"});
  put("\n" + table(rows, "ll"));
}

void print_curve(const std::vector<CurvePoint>& curve) {
  std::vector<std::vector<std::string>> rows = {{"--memory", "tok/s", "from disk for each"}};
  for (const CurvePoint& point : curve)
    rows.push_back({human_bytes(point.budget_bytes), human_number(point.decode_tok_s),
                    point.streamed_bytes_per_token ? human_bytes(point.streamed_bytes_per_token) : "-"});
  put("\n" + table(rows, "rrr"));
}

Json curve_json(const std::vector<CurvePoint>& curve) {
  Json list = Json::array();
  for (const CurvePoint& point : curve)
    list.push_back({{"budget_bytes", point.budget_bytes},
                    {"decode_tok_s", point.decode_tok_s},
                    {"streamed_bytes_per_token", point.streamed_bytes_per_token}});
  return list;
}

int write_plot(const std::string& path, const std::vector<CurvePoint>& curve, const Json& facts,
               const std::string& name) {
  if (curve.size() < 2) return complain(kFailed, path + ": nothing to draw: the speed of this model is not known here");
  CurveLooks looks;
  looks.title = name;
  const Json speed = prediction_of(facts);
  looks.subtitle =
      (facts.contains("isa") && facts["isa"].is_string() ? facts["isa"].get<std::string>() + ", " : "") +
      std::to_string(count_in(facts, "threads")) + " threads, context " + std::to_string(count_in(facts, "n_ctx")) +
      (real(speed, "disk_GB_s") > 0 ? ", disk " + human_number(real(speed, "disk_GB_s")) + " GB/s" : "") +
      (count_in(facts, "io_limit") ? ", limited to " + human_bytes(count_in(facts, "io_limit")) + "/s" : "");
  looks.minimum_bytes = count_in(facts, "minimum_bytes"), looks.resident_bytes = count_in(facts, "resident_bytes");
  looks.budget_bytes = count_in(facts, "budget_bytes");
  return write_text(path, curve_svg(curve, looks));
}

int run_plan(const Arguments& arguments) {
  OpenModel model;
  const std::string plot = arguments.text(Opt::kPlot);
  if (const int code = open_model(arguments.positional()[0], model)) return code;
  if (!plot.empty()) {
    if (const int code = check_target("plan", plot, {model.path, arguments.positional()[0]})) return code;
  }
  sluice_options options = engine_settings(arguments);
  PlanPtr plan;
  Json facts, description;
  if (const int code = make_plan(model.model.get(), options, plan)) return code;
  if (const int code = describe_plan(plan.get(), facts)) return code;
  if (const int code = describe_model(model, description)) return code;
  const Expectation expected = expect_speed(model, plan.get(), facts, options);
  if (!expected.problem.empty()) note("the speed could not be measured: " + expected.problem);
  // The same budget, whatever became of the machine's free memory meanwhile.
  const Json first = facts;
  if (!arguments.has(Opt::kMemory)) options.memory_bytes = count_in(first, "budget_bytes");
  PlanPtr timed;
  if (const int code = make_plan(model.model.get(), options, timed)) return code;
  if (const int code = describe_plan(timed.get(), facts)) return code;
  for (const char* key : {"budget_from", "available_bytes", "reserve_bytes", "memory_pressure"})
    if (first.contains(key)) facts[key] = first[key];
  if (facts.contains("predicted")) {
    const bool from_run = disk_sets_pace(facts) ? expected.disk_from_run : expected.token_from_run;
    if (sluice_plan_fits(plan.get()))
      facts["predicted"]["from"] = from_run ? "run" : "probe";
    else
      facts.erase("predicted");
  }
  const std::string name = description.contains("name") && description["name"].is_string()
                               ? printable(description["name"].get<std::string>())
                               : "";
  std::vector<CurvePoint> curve;
  if (arguments.has(Opt::kCurve) || !plot.empty()) curve = speed_curve(model.model.get(), options, facts);
  if (arguments.has(Opt::kJson)) {
    if (arguments.has(Opt::kCurve) || !plot.empty()) facts["curve"] = curve_json(curve);
    put(json_line(facts));
  } else {
    print_plan(facts, name);
    if (arguments.has(Opt::kCurve) && !curve.empty()) print_curve(curve);
  }
  const int fit = check_fit(plan.get());
  if (fit || plot.empty()) return fit;
  return write_plot(plot, curve, facts, name);
}

}  // namespace

const Verb& plan_verb() {
  static const Verb verb = {
      "plan",
      "Measure",
      "MODEL",
      "what would run inside --memory, and how fast",
      "Lists every byte that would be used. Ends with exit code 4 when it does not fit, and says what would. Weights "
      "that do not all fit are streamed from disk for each token, through a window that is part of io. The expected "
      "speed is what this model reached here before, or else comes from a probe of one to two seconds (a short decode "
      "on part of the weights, and reads from the model's file), kept for a day.",
      {{"The curve", {Opt::kPlot, Opt::kCurve}}, engine_options(), general_options()},
      1,
      1,
      {"sluice plan model.gguf --memory 512M", "sluice plan model.gguf --plot speed.svg",
       "sluice plan model.gguf --memory 2G --context 32768 --json"},
      run_plan};
  return verb;
}

}  // namespace sluice
