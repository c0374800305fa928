// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <algorithm>
#include <cstdio>

#include "looks.h"
#include "output.h"
#include "progress.h"
#include "signals.h"

namespace sluice {

namespace {

ConvertedModel seen_by_program(const OpenModel& model, const Json& facts) {
  ConvertedModel seen;
  if (!facts.contains("tensors") || !facts["tensors"].is_array()) return seen;
  for (const Json& t : facts["tensors"]) {
    if (!t.is_object()) continue;
    seen.tensors.push_back(
        {t.value("name", std::string()), t.value("format", std::string()), t.value("rows", 0u), t.value("cols", 0u)});
  }
  seen.read = [handle = model.model.get(), tensors = seen.tensors](size_t index, uint32_t first_row, uint32_t n_rows,
                                                                   float* out) -> Status {
    sluice_error error = SLUICE_ERROR_INIT;
    const sluice_status status =
        sluice_model_weights(handle, tensors[index].name.c_str(), first_row, n_rows, out, &error);
    if (status == SLUICE_OK) return {};
    return make_error(Code(status), "", kNoOffset, "%s", describe(error).c_str());
  };
  return seen;
}

std::string weight_text(float weight) {
  char text[48];
  snprintf(text, sizeof text, "%.9g", double(weight));
  return text;
}

}  // namespace

int check_source(const OpenModel& model, const Json& facts, const std::string& source, CheckReport& report) {
  Progress progress("Checking", ProgressUnit::kBytes);
  const auto result = check_against_source(source, seen_by_program(model, facts), 0,
                                           [&](uint64_t done, uint64_t total) { return progress.update(done, total); });
  progress.clear();
  if (result.ok()) {
    report = *result;
    return kOk;
  }
  const Error& error = result.error();
  if (error.code == Code::kCancelled) return interrupt_exit_code();
  return complain(error.code == Code::kNoMemory ? int(kFailed) : int(error.code), error.text());
}

Json check_json(const CheckReport& report, const std::string& source) {
  Json types = Json::array();
  for (const CheckedType& t : report.types) {
    types.push_back({{"type", t.type},
                     {"format", t.format},
                     {"tensors", t.tensors},
                     {"weights", t.weights},
                     {"different", t.different},
                     {"exact", t.remark.empty()}});
  }
  Json check = {{"source", source},
                {"equal", report.equal()},
                {"weights", report.weights},
                {"types", types},
                {"problems", report.problems},
                {"in_header", report.elsewhere},
                {"first_difference", nullptr}};
  if (report.first) {
    check["first_difference"] = {{"tensor", report.first->tensor},
                                 {"row", report.first->row},
                                 {"col", report.first->col},
                                 {"source", weight_text(report.first->source)},
                                 {"model", weight_text(report.first->model)}};
  }
  return check;
}

void print_check(const CheckReport& report, const std::string& source) {
  put("\n" + styled(stdout, Style::kBold, "Weights compared with " + printable(source)) + "\n");
  std::vector<std::vector<std::string>> rows = {{"  source", "model", "tensors", "weights", "different", ""}};
  for (const CheckedType& t : report.types) {
    rows.push_back({"  " + t.type, t.format, std::to_string(t.tensors), grouped(t.weights), grouped(t.different),
                    t.different ? t.remark : ""});
  }
  put(table(rows, "llrrrl"));
  for (const std::string& name : report.elsewhere) put("  " + printable(name) + " is part of the model's header\n");
  for (const std::string& problem : report.problems) put("  " + printable(problem) + "\n");
  if (report.first) {
    put("  first difference: " + printable(report.first->tensor) + " row " + std::to_string(report.first->row) +
        " column " + std::to_string(report.first->col) + ": " + weight_text(report.first->source) + " in the source, " +
        weight_text(report.first->model) + " in the model\n");
  }
  const bool exact = std::all_of(report.types.begin(), report.types.end(), [](auto& t) { return t.different == 0; });
  put(report.equal() ? styled(stdout, Style::kGreen,
                              exact ? "All weights are equal." : "All weights that keep their value are equal.") +
                           "\n"
                     : styled(stdout, Style::kRed, "The model differs from its source.") + "\n");
}

}  // namespace sluice
