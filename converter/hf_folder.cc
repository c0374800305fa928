// SPDX-License-Identifier: Apache-2.0
#include "converter/hf_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "converter/hf_chat.h"
#include "converter/hf_config.h"
#include "converter/hf_tokenizer.h"
#include "converter/hf_weights.h"

namespace sluice {

namespace {

constexpr const char* kConfig = "config.json";
constexpr const char* kTokenizer = "tokenizer.json";

bool is_file(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string with_slash(const std::string& folder) { return folder.ends_with('/') ? folder : folder + "/"; }

// Its last name, also of "." and "models/..".
std::string name_of(const std::string& folder) {
  const std::unique_ptr<char, void (*)(void*)> real(realpath(folder.c_str(), nullptr), free);
  const std::string path = real ? real.get() : folder;
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

bool names_folder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_hf_folder(const std::string& path) {
  const std::string folder = with_slash(path);
  return names_folder(path) && is_file(folder + kConfig) &&
         (is_file(folder + kHfWeights) || is_file(folder + kHfIndex));
}

std::vector<std::string> hf_files(const std::string& path) {
  const std::string folder = with_slash(path);
  std::vector<std::string> names = {kConfig,
                                    kTokenizer,
                                    "tokenizer_config.json",
                                    "special_tokens_map.json",
                                    "generation_config.json",
                                    "chat_template.json",
                                    "chat_template.jinja",
                                    kHfIndex};
  if (const auto weights = hf_weight_files(folder); weights.ok()) {
    names.insert(names.end(), weights->begin(), weights->end());
  }
  std::vector<std::string> files;
  for (const std::string& name : names) {
    if (is_file(folder + name)) files.push_back(folder + name);
  }
  return files;
}

Result<Gguf> open_hf_folder(const std::string& path, const Notice& notice) {
  const std::string folder = with_slash(path);
  const auto missing = [&](const char* name) {
    return make_error(Code::kBadModel, path, kNoOffset, "the folder has no %s", name);
  };
  if (!is_file(folder + kConfig)) return missing(kConfig);
  if (!is_file(folder + kHfWeights) && !is_file(folder + kHfIndex)) {
    return missing("model.safetensors (other formats of weights are not read)");
  }
  if (!is_file(folder + kTokenizer)) {
    return missing("tokenizer.json (save the tokenizer again with a current transformers library)");
  }
  SLUICE_TRY(const HfConfig config, read_hf_config(folder + kConfig));
  SLUICE_TRY(InputFile main, InputFile::open(folder + kConfig));
  HfAssembler out("safetensors", std::move(main));
  out.text("general.name", name_of(path));
  SLUICE_DO(write_hf_config(config, out, notice));
  uint32_t n_rows = 0;
  SLUICE_DO(add_hf_weights(folder, config, out, notice, n_rows));
  SLUICE_TRY(const HfTokenizer tokenizer, write_hf_tokenizer(folder + kTokenizer, n_rows, out, notice));
  SLUICE_DO(write_hf_chat(folder, config, tokenizer, out));
  return std::move(out).finish();
}

}  // namespace sluice
