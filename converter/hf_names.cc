// SPDX-License-Identifier: Apache-2.0
#include "converter/hf_names.h"

#include <algorithm>
#include <utility>

namespace sluice {

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr Pair kTop[] = {{"model.embed_tokens.weight", "token_embd.weight"},
                         {"model.norm.weight", "output_norm.weight"},
                         {"lm_head.weight", "output.weight"}};

// Without ".weight" or ".bias".
constexpr Pair kOfLayer[] = {
    {"input_layernorm", "attn_norm"},    {"self_attn.q_proj", "attn_q"},      {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},      {"self_attn.qkv_proj", "attn_qkv"},  {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"}, {"self_attn.k_norm", "attn_k_norm"}, {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},           {"mlp.gate_up_proj", "ffn_gate_up"}, {"mlp.down_proj", "ffn_down"}};
constexpr Pair kNorms[] = {{"post_attention_layernorm", "ffn_norm"}};
constexpr Pair kExtraNorms[] = {{"post_attention_layernorm", "post_attention_norm"},
                                {"pre_feedforward_layernorm", "ffn_norm"},
                                {"post_feedforward_layernorm", "post_ffw_norm"}};

constexpr std::string_view kOtherParts[] = {
    "vision_tower.", "vision_model.",       "multi_modal_projector.", "visual.",
    "audio_tower.",  "model.vision_tower.", "model.visual.",          "model.multi_modal_projector."};

template <size_t N>
std::string_view look_up(const Pair (&pairs)[N], std::string_view name) {
  for (const auto& [from, to] : pairs) {
    if (name == from) return to;
  }
  return {};
}

// The number at the start of `name`, taken from it; empty if there is none of up to four digits and a dot.
std::string_view take_layer(std::string_view& name) {
  const size_t n = name.find_first_not_of("0123456789");
  if (n == 0 || n > 4 || n == name.npos || name[n] != '.' || (n > 1 && name[0] == '0')) return {};
  const std::string_view digits = name.substr(0, n);
  name.remove_prefix(n + 1);
  return digits;
}

}  // namespace

HfName gguf_name(std::string_view full, bool extra_norms) {
  constexpr std::string_view kLayers = "model.layers.";
  for (std::string_view prefix : kOtherParts) {
    if (full.starts_with(prefix)) return {HfName::kOtherPart, ""};
  }
  if (full.ends_with("rotary_emb.inv_freq")) return {HfName::kIgnored, ""};
  // The text part of a model with images or sound.
  std::string name(full);
  if (full.starts_with("model.language_model.")) {
    name = "model." + name.substr(21);
  } else if (full.starts_with("language_model.")) {
    name = name.substr(15);
  }
  if (const std::string_view top = look_up(kTop, name); !top.empty()) return {HfName::kTensor, std::string(top)};
  std::string_view rest = name;
  if (!rest.starts_with(kLayers)) return {HfName::kUnknown, name};
  rest.remove_prefix(kLayers.size());
  const std::string_view layer = take_layer(rest);
  const size_t dot = rest.rfind('.');
  const std::string_view ending = dot == rest.npos ? std::string_view() : rest.substr(dot);
  if (layer.empty() || (ending != ".weight" && ending != ".bias")) return {HfName::kUnknown, name};
  const std::string_view stem = rest.substr(0, dot);
  std::string_view found = look_up(kOfLayer, stem);
  if (found.empty()) found = extra_norms ? look_up(kExtraNorms, stem) : look_up(kNorms, stem);
  if (found.empty()) return {HfName::kUnknown, name};
  return {HfName::kTensor, "blk." + std::string(layer) + "." + std::string(found) + std::string(ending)};
}

std::vector<FusedPart> fused_parts(std::string_view gguf) {
  const size_t last = gguf.rfind('.'), stem = last == gguf.npos ? gguf.npos : gguf.rfind('.', last - 1);
  if (stem == gguf.npos) return {};
  const std::string before(gguf.substr(0, stem + 1)), ending(gguf.substr(last));
  const std::string_view middle = gguf.substr(stem + 1, last - stem - 1);
  if (middle == "attn_qkv") {
    return {{before + "attn_q" + ending, FusedPart::kQ},
            {before + "attn_k" + ending, FusedPart::kKv},
            {before + "attn_v" + ending, FusedPart::kKv}};
  }
  if (middle == "ffn_gate_up") {
    return {{before + "ffn_gate" + ending, FusedPart::kHalf}, {before + "ffn_up" + ending, FusedPart::kHalf}};
  }
  return {};
}

}  // namespace sluice
