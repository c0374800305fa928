// SPDX-License-Identifier: Apache-2.0
// The architectures this converter reads, by the name in general.architecture.
#include "converter/archs/families.h"

namespace sluice {

namespace {
constexpr Architecture kArchitectures[] = {
    {"llama", describe_llama},   {"qwen2", describe_qwen2}, {"qwen3", describe_qwen3},
    {"gemma3", describe_gemma3}, {"phi3", describe_phi3},   {"minicpm", describe_minicpm},
};
}  // namespace

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& architecture : kArchitectures) {
    if (name == architecture.name) return &architecture;
  }
  return nullptr;
}

std::string known_architectures() {
  std::string names;
  for (const Architecture& architecture : kArchitectures)
    names += (names.empty() ? "" : ", ") + std::string(architecture.name);
  return names;
}

Result<ModelDescription> describe_model(const Gguf& gguf, const Architecture& architecture, uint32_t n_vocab) {
  ModelDescription description;
  Describer describer(gguf, architecture.name, n_vocab, description);
  SLUICE_DO(architecture.describe(describer));
  SLUICE_DO(describer.finish());
  return description;
}

}  // namespace sluice
