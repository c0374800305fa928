// SPDX-License-Identifier: Apache-2.0
#include "converter/hf_config.h"

#include <cmath>
#include <iterator>

#include "schema/layout.h"

namespace sluice {

namespace {

constexpr HfFamily kFamilies[] = {
    {"llama", "llama", HfWindows::kNone, false},         {"mistral", "llama", HfWindows::kAllLayers, false},
    {"qwen2", "qwen2", HfWindows::kFromLayer, false},    {"qwen3", "qwen3", HfWindows::kFromLayer, false},
    {"gemma3_text", "gemma3", HfWindows::kPeriod, true}, {"gemma3", "gemma3", HfWindows::kPeriod, true},
    {"phi3", "phi3", HfWindows::kAllLayers, false},      {"minicpm", "minicpm", HfWindows::kNone, false},
};
constexpr uint32_t kGemmaPeriod = 6, kGemmaWindow = 4096;
constexpr double kGemmaQueryScalar = 256;

struct Key {
  const char* name;
  const char* gguf;
  bool required;
  double gemma = 0;  // what Gemma 3 has without the key: its published files leave it out where it is this
};
constexpr Key kKeys[] = {
    {"num_hidden_layers", "block_count", true},
    {"hidden_size", "embedding_length", true},
    {"intermediate_size", "feed_forward_length", true},
    {"num_attention_heads", "attention.head_count", true, 8},
    {"num_key_value_heads", "attention.head_count_kv", false, 4},
    {"max_position_embeddings", "context_length", true, 131072},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", true, 1e-6},
    {"head_dim", "attention.key_length", false, 256},
    {"attn_logit_softcapping", "attn_logit_softcapping", false},
    {"final_logit_softcapping", "final_logit_softcapping", false},
};

// What the family has without the key; 0: nothing.
double default_of(const HfConfig& c, std::string_view name) {
  for (const Key& key : kKeys) {
    if (c.family->gemma && name == key.name) return key.gemma;
  }
  return 0;
}

// A positive number of the configuration, or `fallback`.
Result<double> positive(const HfConfig& c, const std::string& name, double fallback) {
  const JsonValue* value = c.values.find(name);
  if (!value) return fallback;
  if (value->kind != JsonKind::kNumber || !(value->number.real > 0)) {
    return c.values.error(name, "is no positive number");
  }
  return value->number.real;
}

Result<uint32_t> count_of(const HfConfig& c, const std::string& name, uint32_t max, uint32_t fallback) {
  const JsonValue* value = c.values.find(name);
  if (!value) return fallback;
  const bool fits = value->kind == JsonKind::kNumber && value->number.is_integer && value->number.integer >= 0 &&
                    value->number.integer <= int64_t(max);
  if (!fits) return c.values.error(name, "is no whole number from 0 to " + std::to_string(max));
  return uint32_t(value->number.integer);
}

std::string known_types() {
  std::string names;
  for (const HfFamily& family : kFamilies) names += (names.empty() ? "" : ", ") + std::string(family.model_type);
  return names;
}

Status check_activation(const HfConfig& c) {
  std::string name = c.text + "hidden_activation";
  if (!c.values.find(name)) name = c.text + "hidden_act";
  if (!c.values.find(name)) return {};
  const std::string found = c.values.text(name);
  const bool right = c.family->gemma ? found == "gelu_pytorch_tanh" : found == "silu" || found == "swish";
  if (right) return {};
  return c.values.error(name, "is \"" + found + "\", expected " + (c.family->gemma ? "gelu_pytorch_tanh" : "silu"));
}

// Per layer whether it has the window of `window` positions; all false for none.
Result<std::vector<bool>> windowed_layers(const HfConfig& c, uint32_t n_layers) {
  std::vector<bool> windowed(n_layers);
  const std::string types = c.text + "layer_types";
  if (const uint64_t n = c.values.count(types); n > 0) {
    if (n != n_layers) {
      return c.values.error(types,
                            "has " + std::to_string(n) + " elements for " + std::to_string(n_layers) + " layers");
    }
    for (uint32_t l = 0; l < n_layers; ++l) {
      const std::string name = types + "." + std::to_string(l), type = c.values.text(name);
      if (type != "full_attention" && type != "sliding_attention") {
        return c.values.error(name, "is \"" + type + "\"; full_attention and sliding_attention are known");
      }
      windowed[l] = type == "sliding_attention";
    }
    return windowed;
  }
  uint32_t first = n_layers, period = 0;
  switch (c.family->windows) {
    case HfWindows::kNone:
      break;
    case HfWindows::kAllLayers:
      first = 0;
      break;
    case HfWindows::kFromLayer: {
      SLUICE_TRY(first, count_of(c, c.text + "max_window_layers", UINT32_MAX, n_layers));
      break;
    }
    case HfWindows::kPeriod: {
      const bool older = c.values.find(c.text + "sliding_window_pattern");
      SLUICE_TRY(period, count_of(c, c.text + (older ? "sliding_window_pattern" : "_sliding_window_pattern"),
                                  kMaxLayers, kGemmaPeriod));
      first = 0;
    }
  }
  for (uint32_t l = first; l < n_layers; ++l) windowed[l] = period == 0 || l % period != period - 1;
  return windowed;
}

Status write_windows(const HfConfig& c, const std::string& prefix, HfAssembler& out) {
  const std::string name = c.text + "sliding_window";
  const bool switched_off =
      c.family->windows == HfWindows::kFromLayer && !c.values.truth(c.text + "use_sliding_window");
  SLUICE_TRY(const uint32_t window,
             count_of(c, name, kMaxContext, c.family->gemma && !c.values.says_null(name) ? kGemmaWindow : 0));
  if (window == 0 || switched_off || c.family->windows == HfWindows::kNone) return {};
  SLUICE_TRY(const uint32_t n_layers, count_of(c, c.text + "num_hidden_layers", kMaxLayers, 0));
  SLUICE_TRY(const std::vector<bool> windowed, windowed_layers(c, n_layers));
  out.whole(prefix + "attention.sliding_window", window);
  out.blame(prefix + "attention.sliding_window", c.values, name);
  out.begin_list(prefix + "attention.sliding_window_pattern", GgufType::kU32, c.values.path(), c.text + "layer_types");
  for (uint32_t l = 0; l < n_layers; ++l) out.element(uint32_t(windowed[l]));
  return {};
}

Status write_scales(const HfConfig& c, const std::string& prefix, HfAssembler& out) {
  if (c.family->gemma) {
    SLUICE_TRY(const double scalar, positive(c, c.text + "query_pre_attn_scalar", kGemmaQueryScalar));
    out.number(prefix + "attention.scale", 1 / std::sqrt(scalar));
    out.blame(prefix + "attention.scale", c.values, c.text + "query_pre_attn_scalar");
  }
  if (std::string_view(c.family->architecture) != "minicpm") return {};
  SLUICE_TRY(const double layers, positive(c, "num_hidden_layers", 1));
  SLUICE_TRY(const double embedding, positive(c, "scale_emb", 1));
  SLUICE_TRY(const double depth, positive(c, "scale_depth", 1));
  out.number(prefix + "embedding_scale", embedding);
  out.blame(prefix + "embedding_scale", c.values, "scale_emb");
  out.number(prefix + "residual_scale", depth / std::sqrt(layers));
  out.blame(prefix + "residual_scale", c.values, "scale_depth");
  return {};
}

}  // namespace

Result<HfConfig> read_hf_config(const std::string& path) {
  HfConfig c;
  using K = JsonKind;
  SLUICE_TRY(c.values, JsonValues::read(path));
  SLUICE_DO(c.values.expect({{"model_type", K::kText},
                             {"text_config", K::kObject},
                             {"quantization_config", K::kObject},
                             {"tie_word_embeddings", K::kTruth}}));
  const std::string type = c.values.text("model_type");
  for (const HfFamily& family : kFamilies) {
    if (type == family.model_type) c.family = &family;
  }
  if (!c.family) {
    return c.values.error("model_type",
                          type.empty() ? "is missing" : "is \"" + type + "\"; " + known_types() + " are known");
  }
  if (c.values.find("text_config")) c.text = "text_config.";
  SLUICE_DO(c.values.expect({{"hidden_act", K::kText},
                             {"hidden_activation", K::kText},
                             {"layer_types", K::kArray},
                             {"use_sliding_window", K::kTruth},
                             {"use_bidirectional_attention", K::kTruth},
                             {"tie_word_embeddings", K::kTruth},
                             {"rope_scaling", K::kObject},
                             {"rope_scaling.type", K::kText},
                             {"rope_scaling.rope_type", K::kText},
                             {"rope_parameters", K::kObject},
                             {"rope_parameters.rope_type", K::kText},
                             {"rope_parameters.full_attention", K::kObject},
                             {"rope_parameters.full_attention.rope_type", K::kText},
                             {"rope_parameters.sliding_attention", K::kObject},
                             {"rope_parameters.sliding_attention.rope_type", K::kText}},
                            c.text));
  for (const char* key : {"quantization_config", "text_config.quantization_config"}) {
    if (!c.values.find(key)) continue;
    return c.values.error(key, "says that the weights are quantized (" +
                                   c.values.text(std::string(key) + ".quant_method") +
                                   "); folders with F32, F16 and BF16 weights are converted");
  }
  for (const Key& key : kKeys) {
    const bool missing = !c.values.find(c.text + key.name) && default_of(c, key.name) == 0;
    if (key.required && missing) return c.values.error(c.text + key.name, "is missing");
  }
  const bool scaled = std::string_view(c.family->architecture) == "minicpm";
  for (const char* key : {"scale_emb", "scale_depth", "dim_model_base"}) {
    if (scaled && !c.values.find(key)) return c.values.error(key, "is missing");
  }
  SLUICE_TRY(c.n_heads,
             count_of(c, c.text + "num_attention_heads", kMaxHeads, uint32_t(default_of(c, "num_attention_heads"))));
  const uint32_t kv_heads = c.family->gemma ? uint32_t(default_of(c, "num_key_value_heads")) : c.n_heads;
  SLUICE_TRY(c.n_kv_heads, count_of(c, c.text + "num_key_value_heads", kMaxHeads, kv_heads));
  const bool says = c.values.find("tie_word_embeddings") || c.values.find(c.text + "tie_word_embeddings");
  c.tied =
      says ? c.values.truth("tie_word_embeddings") || c.values.truth(c.text + "tie_word_embeddings") : c.family->gemma;
  c.untied = says && !c.tied;
  if (scaled) {
    SLUICE_TRY(const double base, positive(c, "dim_model_base", 1));
    SLUICE_TRY(const double width, positive(c, "hidden_size", 1));
    c.head_times = base / width;
  }
  return c;
}

Status write_hf_config(const HfConfig& c, HfAssembler& out, const Notice& notice) {
  const std::string prefix = std::string(c.family->architecture) + ".";
  out.text("general.architecture", c.family->architecture);
  out.blame("general.architecture", c.values, "model_type");
  for (const Key& key : kKeys) {
    const double fallback = default_of(c, key.name);
    if (fallback != 0 && !c.values.find(c.text + key.name)) {
      fallback < 1 ? out.number(prefix + key.gguf, fallback) : out.whole(prefix + key.gguf, uint32_t(fallback));
      out.blame(prefix + key.gguf, c.values, c.text + key.name);
    }
    out.copy(c.values, c.text + key.name, prefix + key.gguf);
  }
  SLUICE_DO(check_activation(c));
  if (c.values.truth(c.text + "use_bidirectional_attention")) {
    return c.values.error(c.text + "use_bidirectional_attention", "is set: not a model that writes text");
  }
  SLUICE_DO(write_windows(c, prefix, out));
  SLUICE_DO(write_scales(c, prefix, out));
  return write_hf_rope(c, out, notice);
}

}  // namespace sluice
