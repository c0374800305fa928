// SPDX-License-Identifier: Apache-2.0
// Small Hugging Face folders for tests: every file is a text that may be edited into nonsense. toy_folder() is the same
// model as a toy GGUF file: the same weights in the other names, shapes and row order.
#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/gguf_builder.h"

namespace sluice::test {

using Json = nlohmann::ordered_json;

struct SafetensorsBuilder {
  struct Tensor {
    std::string name, dtype;
    std::vector<uint64_t> shape;
    std::string data;
  };
  std::vector<Tensor> tensors;
  std::string header;        // in place of the right one
  uint64_t claimed = ~0ull;  // length of the header that the file says
  std::string tail;          // behind the data

  Tensor& find(const std::string& name);
  Json header_json() const;
  std::string bytes() const;
};

// File names and contents; write() makes the folder.
struct ToyFolder {
  Json config, tokenizer;
  SafetensorsBuilder weights;
  std::map<std::string, std::string> files;  // further ones, or in place of the above; the text "-" removes one
  void write(const std::string& folder) const;
};

struct ToyFolderOptions {
  ToyOptions model;  // matrix types F32, F16 or BF16
  bool fused = false;
};

// Families: those of toy_gguf(), and phi3 and minicpm, which are a llama here.
ToyFolder toy_folder(const ToyFolderOptions& options);

// Q and K of a GGUF llama (rotation pairs side by side) in the order of every other file.
std::string half_split_rows(const std::string& rows, uint32_t n_rows, uint32_t head_dim);

}  // namespace sluice::test
