// SPDX-License-Identifier: Apache-2.0
// Which type each matrix of a model is quantized to: a rule by role, layer and width. Knows no weight; vectors (norms,
// biases) are never quantized.
#pragma once
#include <functional>
#include <map>
#include <string>

#include "converter/archs/architecture.h"
#include "converter/quantize.h"
#include "sluice/convert.h"

namespace sluice {

// How one matrix is written anew.
struct Recipe {
  const BlockFormat* target = nullptr;
  EncodeRow encode = nullptr;
  const float* importance = nullptr;  // per column, or null; part of the list given to make_recipes
};

// Tensors that are not in it are moved as they are.
using Recipes = std::map<const GgufTensor*, Recipe>;

// `notice` hears, in one line each, what is quantized a second time and what stays as it is. The list must stay where
// it is as long as the recipes are used. kBadModel if an entry of it does not fit its matrix.
Result<Recipes> make_recipes(const ModelDescription& model, QuantizeTo to,
                             const std::vector<InputImportance>& importance,
                             const std::function<void(const std::string&)>& notice);

// The name that GGUF files have for a matrix, whatever the source calls it.
std::string importance_name(fb::Role role, int32_t layer);

}  // namespace sluice
