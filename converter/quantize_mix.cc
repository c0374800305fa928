// SPDX-License-Identifier: Apache-2.0
#include "converter/quantize_mix.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "schema/layout.h"

namespace sluice {

namespace {

constexpr uint32_t kSuperBlock = 256;

// GGUF's ids.
constexpr uint32_t kQ5_0 = 6, kQ8_0 = 8, kQ4_K = 12, kQ6_K = 14, kIq4Nl = 20;

// Matrices whose errors reach everything behind them (values, the way back from the feed-forward) get more bits in the
// first and last eighth of the layers and in every third one between: the usual choice of the field.
bool counts_more(int32_t layer, int32_t n_layers) {
  const int32_t eighth = n_layers / 8;
  return layer < eighth || layer >= 7 * n_layers / 8 || (layer - eighth) % 3 == 2;
}

bool is_head(const TensorUse& use, const ModelDescription& model) {
  return use.role == fb::Role::OutputHead || (use.role == fb::Role::TokenEmbedding && model.config.tied_head);
}

// Rows whose width is no multiple of 256 take blocks of 32, one step wider (q4) or as wide (q4-small).
uint32_t type_for(const TensorUse& use, const ModelDescription& model, QuantizeTo to) {
  const bool super = use.cols % kSuperBlock == 0;
  if (to == QuantizeTo::kQ8) return kQ8_0;
  if (is_head(use, model)) return super ? kQ6_K : kQ8_0;
  if (to == QuantizeTo::kQ4Small) return super ? kQ4_K : kIq4Nl;
  const bool sensitive = use.role == fb::Role::AttnV || use.role == fb::Role::FfnDown;
  if (sensitive && counts_more(use.layer, int32_t(model.config.n_layers))) return super ? kQ6_K : kQ8_0;
  return super ? kQ4_K : kQ5_0;
}

// Where a file of llama.cpp has the columns of a matrix that is one of several in a fused one: all share their inputs.
std::string fused_importance_name(fb::Role role, int32_t layer) {
  using R = fb::Role;
  const std::string start = "blk." + std::to_string(layer);
  if (role == R::AttnQ || role == R::AttnK || role == R::AttnV) return start + ".attn_qkv.weight";
  return role == R::FfnGate ? start + ".ffn_up.weight" : "";
}

const InputImportance* find_importance(const std::vector<InputImportance>& list, const TensorUse& use) {
  const std::string names[] = {use.source->name, importance_name(use.role, use.layer),
                               fused_importance_name(use.role, use.layer)};
  for (const std::string& name : names) {
    const auto found = std::find_if(list.begin(), list.end(), [&](const auto& entry) { return entry.tensor == name; });
    if (found != list.end()) return &*found;
  }
  return nullptr;
}

std::string tensors_text(int n) { return std::to_string(n) + (n == 1 ? " tensor" : " tensors"); }

}  // namespace

std::string importance_name(fb::Role role, int32_t layer) {
  using R = fb::Role;
  const auto of_layer = [&](const char* name) { return "blk." + std::to_string(layer) + "." + name + ".weight"; };
  switch (role) {
    case R::TokenEmbedding:
      return "token_embd.weight";
    case R::OutputHead:
      return "output.weight";
    case R::AttnQ:
      return of_layer("attn_q");
    case R::AttnK:
      return of_layer("attn_k");
    case R::AttnV:
      return of_layer("attn_v");
    case R::AttnOutput:
      return of_layer("attn_output");
    case R::FfnGate:
      return of_layer("ffn_gate");
    case R::FfnUp:
      return of_layer("ffn_up");
    case R::FfnDown:
      return of_layer("ffn_down");
    default:
      return "";
  }
}

std::string importance_name(const std::string& role, int32_t layer) {
  for (fb::Role value : fb::EnumValuesRole()) {
    if (role == fb::EnumNameRole(value)) return importance_name(value, layer);
  }
  return "";
}

Result<Recipes> make_recipes(const ModelDescription& model, QuantizeTo to,
                             const std::vector<InputImportance>& importance,
                             const std::function<void(const std::string&)>& notice) {
  Recipes recipes;
  if (to == QuantizeTo::kKeep) return recipes;
  std::map<std::string, int> again, kept;
  int without = 0;
  for (const Part& part : model.parts) {
    for (const TensorUse& use : part.members) {
      if (is_vector(use.role)) continue;
      const BlockFormat& source = *use.source->format;
      const BlockFormat& target = *find_block_format(type_for(use, model, to));
      if (use.cols % target.inputs != 0) {
        ++kept[std::string(source.name) + ", rows of " + std::to_string(use.cols) + " weights fit no block of 32"];
        continue;
      }
      if (bits_per_weight(source) <= bits_per_weight(target)) {
        if (&source != &target) ++kept[std::string(source.name) + ", which takes no more bits than " + target.name];
        continue;
      }
      Recipe recipe{&target, find_encoder(target), nullptr};
      SLUICE_CHECK(recipe.encode != nullptr);
      if (const InputImportance* entry = find_importance(importance, use)) {
        if (entry->mean_squares.size() != use.cols) {
          return make_error(Code::kBadModel, entry->tensor, kNoOffset,
                            "the importance file has %zu columns for it, the model has %u", entry->mean_squares.size(),
                            use.cols);
        }
        recipe.importance = entry->mean_squares.data();
      } else if (!importance.empty()) {
        ++without;
      }
      if (source.unpack) ++again[std::string(source.name) + " are quantized a second time, to " + target.name];
      recipes.emplace(use.source, recipe);
    }
  }
  for (const auto& [what, n] : again) notice(tensors_text(n) + " of the type " + what + ": a float source is better");
  for (const auto& [what, n] : kept) notice(tensors_text(n) + " kept as " + what);
  if (without > 0)
    notice(tensors_text(without) + (without == 1 ? " has" : " have") + " no entry in the importance file");
  return recipes;
}

}  // namespace sluice
