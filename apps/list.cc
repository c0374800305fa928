// SPDX-License-Identifier: Apache-2.0
// sluice list: the converted models in the cache.
#include "looks.h"
#include "model_arg.h"
#include "output.h"
#include "verbs.h"

namespace sluice {

namespace {

struct Row {
  CacheEntry entry;
  std::string model, architecture, source, problem;
  uint64_t n_parameters = 0;
};

std::string text_of(const Json& object, const char* key) {
  return object.contains(key) && object[key].is_string() ? object[key].get<std::string>() : std::string();
}

Row look_at(const CacheEntry& entry) {
  Row row{entry, {}, {}, {}, {}};
  ModelPtr model;
  Text text;
  sluice_error error = SLUICE_ERROR_INIT;
  const bool opened = sluice_model_open(entry.path.c_str(), out(model), &error) == SLUICE_OK;
  if (!opened || sluice_model_describe(model.get(), text.out(), &error) != SLUICE_OK) {
    row.problem = error.message;
    return row;
  }
  const Json facts = Json::parse(text.view(), nullptr, false);
  if (!facts.is_object()) return row;
  row.model = text_of(facts, "name");
  row.architecture = text_of(facts, "architecture");
  row.source = text_of(facts, "source");
  if (facts.contains("n_parameters") && facts["n_parameters"].is_number_unsigned())
    row.n_parameters = facts["n_parameters"];
  return row;
}

std::string parameters(uint64_t n) {
  return n >= 1'000'000'000 ? human_number(double(n) / 1e9) + " B" : n ? human_number(double(n) / 1e6) + " M" : "-";
}

int run_list(const Arguments& arguments) {
  if (cache_folder().empty()) return complain(kFailed, "no folder for the cache: set HOME or XDG_CACHE_HOME");
  Json json = {{"folder", cache_folder()}, {"models", Json::array()}};
  std::vector<std::vector<std::string>> rows = {{"NAME", "SIZE", "PARAMETERS", "MODEL", "FROM"}};
  uint64_t total = 0;
  for (const CacheEntry& entry : cache_entries()) {
    const Row row = look_at(entry);
    total += entry.bytes;
    Json item = {{"name", entry.name},
                 {"path", entry.path},
                 {"bytes", entry.bytes},
                 {"model", row.model},
                 {"architecture", row.architecture},
                 {"source", row.source},
                 {"n_parameters", row.n_parameters}};
    if (!row.problem.empty()) item["problem"] = row.problem;
    json["models"].push_back(item);
    rows.push_back({entry.name, human_bytes(entry.bytes), parameters(row.n_parameters), printable(row.model),
                    printable(row.problem.empty() ? row.source : "cannot be used: " + row.problem)});
  }
  if (arguments.has(Opt::kJson)) {
    put(json_line(json));
    return kOk;
  }
  if (rows.size() == 1) {
    note("no models in " + cache_folder() + " yet; they appear when a .gguf file is used");
    return kOk;
  }
  put(table(rows, "lrrll"));
  note(human_bytes(total) + " in " + cache_folder());
  return kOk;
}

}  // namespace

const Verb& list_verb() {
  static const Verb verb = {"list",
                            "Models on this machine",
                            "",
                            "converted models in the cache",
                            "A name from this list can be used as MODEL everywhere.",
                            {general_options()},
                            0,
                            0,
                            {"sluice list", "sluice list --json"},
                            run_list};
  return verb;
}

}  // namespace sluice
