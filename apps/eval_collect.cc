// SPDX-License-Identifier: Apache-2.0
#include "eval_collect.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "output.h"
#include "sluice/convert.h"

namespace sluice {

int check_collect_target(const std::string& path, const std::string& model, const std::string& text) {
  std::vector<std::string> inputs = source_files(model);
  inputs.push_back(text);
  if (const auto entry = find_cache_entry(model)) inputs.push_back(entry->path);
  if (const int code = check_target("eval", path, inputs)) return code;
  const size_t slash = path.rfind('/');
  const std::string folder = slash == path.npos ? "." : path.substr(0, slash + 1);
  if (faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0) return 0;
  return complain(kUsage, "eval: " + path + ": cannot write into its folder: " + strerror(errno));
}

int begin_collecting(LoadedModel& model) {
  sluice_error error = SLUICE_ERROR_INIT;
  const sluice_status status = sluice_engine_collect_inputs(model.engine.get(), &error);
  return status == SLUICE_OK ? 0 : complain(error);
}

int write_collected(const LoadedModel& model, const std::string& path, const std::string& text_name,
                    uint32_t n_windows) {
  Json facts;
  if (const int code = describe_model(model, facts)) return code;
  std::vector<InputImportance> list;
  for (const Json& tensor : facts["tensors"]) {
    if (tensor.value("access", std::string()) == "GatherRows") continue;  // nothing is multiplied with it
    const std::string name = tensor.value("name", std::string());
    InputImportance entry;
    entry.tensor = importance_name(tensor.value("role", std::string()), tensor.value("layer", -1));
    if (entry.tensor.empty()) continue;
    entry.mean_squares.resize(tensor.value("cols", 0u));
    sluice_error error = SLUICE_ERROR_INIT;
    if (sluice_engine_input_squares(model.engine.get(), name.c_str(), entry.mean_squares.data(),
                                    entry.mean_squares.size(), &entry.rows, &error) != SLUICE_OK) {
      return complain(error);
    }
    list.push_back(std::move(entry));
  }
  const Status status = write_importance(path, list, text_name, n_windows, model.info.n_ctx);
  return status.ok() ? 0 : complain(status.error());
}

}  // namespace sluice
