// SPDX-License-Identifier: Apache-2.0
// Rotary positions in config.json: rope_theta with rope_scaling in older files, rope_parameters in newer ones, there
// also one for each kind of layer.
#include <algorithm>
#include <cmath>

#include "converter/hf_config.h"
#include "schema/layout.h"

namespace sluice {

namespace {

class RopeWriter {
 public:
  RopeWriter(const HfConfig& c, HfAssembler& out)
      : c_(c), out_(out), prefix_(std::string(c.family->architecture) + ".") {}

  Status write(const Notice& notice) {
    const std::string all = c_.text + "rope_parameters";
    scaling_ = c_.values.find(all) ? all : c_.text + "rope_scaling";
    if (c_.values.find(all + ".full_attention")) {
      scaling_ = all + ".full_attention";
      SLUICE_DO(write_window_rope(all + ".sliding_attention"));
    }
    theta(scaling_ + ".rope_theta", "rope_theta", "rope.freq_base", c_.family->gemma ? 1e6 : 1e4);
    if (c_.family->gemma && !out_.has(prefix_ + "rope.freq_base_swa")) {
      theta("", "rope_local_base_freq", "rope.freq_base_swa", 1e4);
    }
    SLUICE_DO(write_partial());
    return write_scaling(notice);
  }

 private:
  const JsonValue* find(const char* name) const { return c_.values.find(scaling_ + "." + name); }

  // The first of both names that the file has.
  void theta(const std::string& newer, const std::string& older, const std::string& key, double fallback) {
    const std::string name = !newer.empty() && c_.values.find(newer) ? newer : c_.text + older;
    out_.number(prefix_ + key, fallback);
    out_.copy(c_.values, name, prefix_ + key);
  }

  Status write_window_rope(const std::string& name) {
    const std::string type = c_.values.text(name + ".rope_type");
    if (!type.empty() && type != "default") {
      return c_.values.error(name + ".rope_type", "is \"" + type + "\"; layers with a window are read without scaling");
    }
    theta(name + ".rope_theta", "rope_local_base_freq", "rope.freq_base_swa", 1e4);
    return {};
  }

  // Only a part of each head is turned.
  Status write_partial() {
    std::string name = scaling_ + ".partial_rotary_factor";
    if (!c_.values.find(name)) name = c_.text + "partial_rotary_factor";
    const JsonValue* factor = c_.values.find(name);
    if (!factor || (factor->kind == JsonKind::kNumber && factor->number.real == 1)) return {};
    SLUICE_TRY(const double share, number(name));
    if (share > 1) return c_.values.error(name, "is greater than 1");
    double head_dim = 0;
    if (c_.values.find(c_.text + "head_dim")) {
      SLUICE_TRY(head_dim, number(c_.text + "head_dim"));
    } else {
      SLUICE_TRY(const double width, number(c_.text + "hidden_size"));
      SLUICE_TRY(const double heads, number(c_.text + "num_attention_heads"));
      head_dim = std::floor(width / heads);
    }
    const double rotated = std::floor(head_dim * share);
    if (!(rotated >= 0 && rotated <= 65536)) return c_.values.error(name, "gives no size of a head");
    out_.whole(prefix_ + "rope.dimension_count", uint32_t(rotated));
    out_.blame(prefix_ + "rope.dimension_count", c_.values, name);
    return {};
  }

  Result<double> number(const std::string& name) const {
    const JsonValue* value = c_.values.find(name);
    if (!value || value->kind != JsonKind::kNumber || !(value->number.real > 0)) {
      return c_.values.error(name, value ? "is no positive number" : "is missing");
    }
    return value->number.real;
  }

  // The context that the unscaled frequencies were trained for.
  Result<double> original_context() const {
    for (const std::string& name :
         {scaling_ + ".original_max_position_embeddings", c_.text + "original_max_position_embeddings"}) {
      if (c_.values.find(name)) return number(name);
    }
    return number(c_.text + "max_position_embeddings");
  }

  // How much longer the context is than that; where the file names no factor.
  Result<double> stretch() const {
    SLUICE_TRY(const double longest, number(c_.text + "max_position_embeddings"));
    SLUICE_TRY(const double original, original_context());
    return longest / original;
  }

  void copy(const char* name, const char* key) { out_.copy(c_.values, scaling_ + "." + name, prefix_ + key); }

  void set(const char* key, double value) {
    out_.number(prefix_ + key, value);
    out_.blame(prefix_ + key, c_.values, scaling_);
  }

  Status set_original_context(double n) {
    if (n > kMaxContext) return c_.values.error(scaling_, "has an original context that is too long");
    out_.whole(prefix_ + "rope.scaling.original_context_length", uint32_t(n));
    out_.blame(prefix_ + "rope.scaling.original_context_length", c_.values, scaling_);
    return {};
  }

  Status write_scaling(const Notice& notice) {
    const std::string name = scaling_ + (find("rope_type") ? ".rope_type" : ".type");
    std::string type = c_.values.text(name);
    if (type.empty() || type == "default") return {};
    if (type == "su") type = "longrope";  // its first name
    if (type != "linear" && type != "llama3" && type != "yarn" && type != "longrope") {
      return c_.values.error(name, "is \"" + type + "\"; default, linear, llama3, yarn and longrope are known");
    }
    out_.text(prefix_ + "rope.scaling.type", type);
    out_.blame(prefix_ + "rope.scaling.type", c_.values, name);
    if (type == "longrope") return write_longrope(notice);
    SLUICE_TRY(const double factor, find("factor") ? number(scaling_ + ".factor") : stretch());
    set("rope.scaling.factor", factor);
    if (type == "linear") return {};
    SLUICE_TRY(const double original, original_context());
    SLUICE_DO(set_original_context(original));
    if (type == "llama3") {
      SLUICE_DO(number(scaling_ + ".low_freq_factor"));
      SLUICE_DO(number(scaling_ + ".high_freq_factor"));
      copy("low_freq_factor", "rope.scaling.low_freq_factor");
      copy("high_freq_factor", "rope.scaling.high_freq_factor");
      return {};
    }
    for (const char* unread : {"mscale", "mscale_all_dim"}) {
      if (find(unread)) return c_.values.error(scaling_ + "." + unread, "is a variant of YaRN that is not read");
    }
    if (const JsonValue* truncate = find("truncate"); truncate && !truncate->truth) {
      return c_.values.error(scaling_ + ".truncate", "is false, a variant of YaRN that is not read");
    }
    copy("beta_fast", "rope.scaling.yarn_beta_fast");
    copy("beta_slow", "rope.scaling.yarn_beta_slow");
    if (find("attention_factor")) {  // in place of the usual factor, which the family files apply
      SLUICE_TRY(const double attention, number(scaling_ + ".attention_factor"));
      set("rope.scaling.attn_factor", attention / (1 + 0.1 * std::log(std::max(1.0, factor))));
    }
    return {};
  }

  // Two tables of factors: for contexts up to the original one, and beyond.
  Status write_longrope(const Notice& notice) {
    SLUICE_TRY(const double original, original_context());
    SLUICE_TRY(double factor, stretch());
    if (original == 1) return c_.values.error(scaling_, "has an original context of 1");
    if (factor == 1 && find("factor")) {
      SLUICE_TRY(factor, number(scaling_ + ".factor"));
    }
    double attention = factor > 1 ? std::sqrt(1 + std::log(factor) / std::log(original)) : 1;
    if (find("attention_factor")) {
      SLUICE_TRY(attention, number(scaling_ + ".attention_factor"));
    }
    set("rope.scaling.attn_factor", attention);
    SLUICE_DO(set_original_context(original));
    SLUICE_DO(write_factors("short_factor"));
    SLUICE_DO(write_factors("long_factor"));
    if (factor > 1) {
      notice("rope: the factors for up to " + std::to_string(uint64_t(original)) +
             " positions are taken, and the context ends there; longer ones would need the others from the first "
             "position on");
    }
    return {};
  }

  Status write_factors(const char* name) {
    const std::string list = scaling_ + "." + name;
    if (c_.values.count(list) == 0) return c_.values.error(list, "is missing or empty");
    out_.begin_list(prefix_ + "rope.scaling." + name, GgufType::kF32, c_.values.path(), list);
    for (uint64_t i = 0; i < c_.values.count(list); ++i) {
      SLUICE_TRY(const double x, number(list + "." + std::to_string(i)));
      out_.element(float(x));
    }
    return {};
  }

  const HfConfig& c_;
  HfAssembler& out_;
  std::string prefix_, scaling_;
};

}  // namespace

Status write_hf_rope(const HfConfig& config, HfAssembler& out, const Notice& notice) {
  return RopeWriter(config, out).write(notice);
}

}  // namespace sluice
