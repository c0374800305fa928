// SPDX-License-Identifier: Apache-2.0
// Writes down in GGUF's terms (keys, types, tensor names) what another source holds, so that one set of family files,
// one vocabulary builder and one weight copier serve every source. Values lie in memory; each remembers the file,
// offset and name it came from, so that errors speak of what the user has. Knows no key.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "converter/gguf.h"
#include "converter/hf_json.h"

namespace sluice {

class HfAssembler {
 public:
  // `container`: "safetensors". `main`: the file that errors name when they know no better.
  HfAssembler(const char* container, InputFile main);

  // The index by which tensors name it. Few files: the caller keeps to kMaxGgufParts.
  uint32_t add_file(InputFile file);

  // Values; where `from` has no such name or null there, nothing happens.
  void copy(const JsonValues& from, std::string_view name, const std::string& key);
  void number(const std::string& key, double value);
  void whole(const std::string& key, uint32_t value);
  void truth(const std::string& key, bool value);
  void text(const std::string& key, std::string_view value);
  // Says where the value of `key` came from.
  void blame(const std::string& key, const JsonValues& from, std::string_view name);
  bool has(std::string_view key) const { return model_.has(key); }

  // Lists: begin_list, then each element, then the next list or finish().
  void begin_list(const std::string& key, GgufType type, const std::string& path, const std::string& name);
  void element(std::string_view text);
  void element(float value);
  void element(uint32_t value);

  Status add_tensor(GgufTensor tensor);  // kBadModel if its name is taken, or with more than kMaxGgufTensors
  size_t n_tensors() const { return model_.tensors_.size(); }

  Gguf finish() && { return std::move(model_); }

 private:
  void scalar(const std::string& key, GgufType type, uint64_t bits);
  void put(const void* bytes, size_t n);
  Gguf model_;
  GgufValue* list_ = nullptr;
};

}  // namespace sluice
