// SPDX-License-Identifier: Apache-2.0
// What a family file of this folder delivers: the model as data (fields of the .slm header) and the list of matrices
// and vectors in execution order. To add an architecture: write archs/<name>.cc with one describe function and list it
// in arch_table.cc. A family file knows metadata keys and tensor names; it knows no block format and no byte of the
// .slm.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "converter/gguf.h"
#include "schema/model_generated.h"

namespace sluice {

// One tensor of the .slm and where it comes from.
struct TensorUse {
  fb::Role role{};
  int32_t layer = -1;
  const GgufTensor* source = nullptr;
  uint32_t rows = 0;  // may be fewer than the source has (a padded vocabulary); vectors: 1
  uint32_t cols = 0;
  fb::RowOrder order = fb::RowOrder::Plain;
  uint32_t head_dim = 0;  // RopePairs: rows (or elements of a vector) are moved inside each head
};

// Tensors that share one extent: one tensor, or several of equal height whose strips alternate.
struct Part {
  fb::Access access = fb::Access::Stream;
  int32_t layer = -1;
  bool row_major = false;  // vectors and gathered tables: each row lies by itself
  std::vector<TensorUse> members;
};

struct ModelDescription {
  fb::ConfigT config;
  std::vector<Part> parts;  // in execution order
};

class Describer;

struct Architecture {
  const char* name;  // general.architecture
  Status (*describe)(Describer& model);
};

// Null if no file of this folder knows the name.
const Architecture* find_architecture(std::string_view name);
std::string known_architectures();  // "llama, qwen2, …"

// Runs the family's describe function and checks that every tensor of the file has found its place.
Result<ModelDescription> describe_model(const Gguf& gguf, const Architecture& architecture, uint32_t n_vocab);

}  // namespace sluice
