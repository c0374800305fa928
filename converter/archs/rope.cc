// SPDX-License-Identifier: Apache-2.0
// Rotary frequencies, finished at conversion: whatever scaling the source describes becomes a table of angles per
// position. Formulas: linear (position interpolation), YaRN (arXiv 2309.00071), factors per frequency (Llama 3.1).
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>

#include "converter/archs/describer.h"

namespace sluice {

// Long wavelengths are stretched, short ones are left alone, those between move from one to the other (Llama 3.1).
Result<std::vector<double>> Describer::llama3_factors(uint32_t n, double base) {
  SLUICE_TRY(const double factor, gguf_.real(key("rope.scaling.factor")));
  SLUICE_TRY(const double low, gguf_.real(key("rope.scaling.low_freq_factor")));
  SLUICE_TRY(const double high, gguf_.real(key("rope.scaling.high_freq_factor")));
  SLUICE_TRY(const double n_ctx, gguf_.real(key("rope.scaling.original_context_length")));
  if (!(factor > 0 && low > 0 && high > low && n_ctx > 0))
    return gguf_.key_error(key("rope.scaling.high_freq_factor"),
                           "and the other numbers beside it contradict each other");
  std::vector<double> factors(n);
  for (uint32_t j = 0; j < n; ++j) {
    const double turns = n_ctx / (2 * std::numbers::pi * std::pow(base, 2.0 * j / n_rot_));
    const double keep = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    factors[j] = 1 / ((1 - keep) / factor + keep);
  }
  return factors;
}

// The divisors of the frequencies: of the scaling, in rope_freqs.weight, or ones.
Result<std::vector<double>> Describer::frequency_factors(uint32_t n, const std::string& kind, double base) {
  std::vector<double> factors(n, 1.0);
  if (kind == "llama3") return llama3_factors(n, base);
  if (kind == "longrope") {
    const std::string name = key("rope.scaling.short_factor");
    SLUICE_TRY(const std::vector<float> list, gguf_.reals(name, kMaxHeadDim));
    if (list.size() != n) {
      return gguf_.key_error(
          name, "has " + std::to_string(list.size()) + " elements for " + std::to_string(n) + " frequencies");
    }
    for (uint32_t j = 0; j < n; ++j) {
      if (!(list[j] > 0)) return gguf_.key_error(name, "has an element that is not positive");
      factors[j] = list[j];
    }
    return factors;
  }
  if (!has(-1, "rope_freqs.weight")) return factors;
  SLUICE_TRY(const GgufTensor* tensor, take(-1, "rope_freqs.weight"));
  if (tensor->dims[0] != n || tensor->n_rows() != 1) return shape_error(*tensor, "[" + std::to_string(n) + "]");
  if (std::strcmp(tensor->format->name, "F32") != 0) {
    return make_error(Code::kBadModel, gguf_.file_of(*tensor).path(), tensor->described_at,
                      "tensor rope_freqs.weight has the type %s, expected F32", tensor->format->name);
  }
  std::vector<float> values(n);
  SLUICE_DO(gguf_.file_of(*tensor).read_at(tensor->offset, std::as_writable_bytes(std::span(values))));
  for (uint32_t j = 0; j < n; ++j) {
    if (!std::isfinite(values[j]) || !(values[j] > 0)) {
      return make_error(Code::kBadModel, gguf_.file_of(*tensor).path(), tensor->offset + 4 * j,
                        "rope_freqs.weight has an element that is not positive");
    }
    factors[j] = values[j];
  }
  return factors;
}

namespace {

// The dimension whose wavelength makes `turns` turns in the original context (YaRN, section 3.2).
double yarn_dimension(double turns, double n_rot, double base, double n_ctx) {
  return n_rot * std::log(n_ctx / (2 * std::numbers::pi * turns)) / (2 * std::log(base));
}

}  // namespace

Result<uint32_t> Describer::add_rope(double base, bool scaled) {
  if (!(base > 1)) return gguf_.key_error(key("rope.freq_base"), "must be greater than 1");
  const uint32_t n = n_rot_ / 2;
  SLUICE_TRY(const std::string kind, gguf_.text(key("rope.scaling.type"), "linear"));
  SLUICE_TRY(const std::vector<double> factors, frequency_factors(n, scaled ? kind : "none", base));
  SLUICE_TRY(const double old_factor, gguf_.real(key("rope.scale_linear"), 1));
  SLUICE_TRY(double factor, gguf_.real(key("rope.scaling.factor"), old_factor));
  SLUICE_TRY(const float attn_factor, magnitude("rope.scaling.attn_factor", 1));
  const bool per_frequency = kind == "llama3" || kind == "longrope";
  if (kind != "none" && kind != "linear" && kind != "yarn" && !per_frequency) {
    return gguf_.key_error(key("rope.scaling.type"),
                           "is \"" + kind + "\"; none, linear, llama3, yarn and longrope are known");
  }
  if (kind == "longrope") {
    // The other factors would change the angles of all positions, so the context ends where these do.
    SLUICE_TRY(const uint32_t n_ctx, gguf_.integer(key("rope.scaling.original_context_length"), 1, kMaxContext));
    out_.config.n_ctx = std::min(out_.config.n_ctx, n_ctx);
  }
  if (factor < 0 || attn_factor == 0) return gguf_.key_error(key("rope.scaling.factor"), "must be positive");
  if (factor == 0 || kind == "none" || per_frequency || !scaled) factor = 1;  // 0 is written for "no scaling"

  auto rope = std::make_unique<fb::RopeT>();
  rope->inv_freq.resize(n);
  for (uint32_t j = 0; j < n; ++j) rope->inv_freq[j] = std::pow(base, -2.0 * j / n_rot_) / factors[j];
  if (kind == "yarn" && scaled) {
    SLUICE_TRY(const double n_ctx, gguf_.real(key("rope.scaling.original_context_length"), out_.config.n_ctx));
    SLUICE_TRY(const double fast, gguf_.real(key("rope.scaling.yarn_beta_fast"), 32));
    SLUICE_TRY(const double slow, gguf_.real(key("rope.scaling.yarn_beta_slow"), 1));
    SLUICE_TRY(const double extrapolation, gguf_.real(key("rope.scaling.yarn_ext_factor"), 1));
    if (!(n_ctx > 0)) return gguf_.key_error(key("rope.scaling.original_context_length"), "must be positive");
    if (!(fast > 0) || !(slow > 0))
      return gguf_.key_error(key("rope.scaling.yarn_beta_fast"), "and beta_slow must be positive");
    const double start = std::max(0.0, std::floor(yarn_dimension(fast, n_rot_, base, n_ctx)));
    const double end = std::min(n_rot_ - 1.0, std::ceil(yarn_dimension(slow, n_rot_, base, n_ctx)));
    for (uint32_t j = 0; j < n; ++j) {
      const double ramp = 1 - std::clamp((j - start) / std::max(0.001, end - start), 0.0, 1.0);
      const double keep = ramp * extrapolation;  // 1: the frequency stays as trained
      rope->inv_freq[j] = rope->inv_freq[j] / factor * (1 - keep) + rope->inv_freq[j] * keep;
    }
    rope->magnitude = float(attn_factor * (1 + 0.1 * std::log(std::max(1.0, factor))));
  } else {
    for (double& f : rope->inv_freq) f /= factor;
    rope->magnitude = scaled ? attn_factor : 1.0f;
  }
  const bool usable = std::all_of(rope->inv_freq.begin(), rope->inv_freq.end(),
                                  [](double f) { return f >= 0 && f <= kMaxRopeFrequency; });
  if (!usable || !std::isfinite(rope->magnitude)) {
    return gguf_.key_error(key("rope.freq_base"),
                           "and its scaling give frequencies beyond 0 to 256, or no finite magnitude");
  }
  out_.config.ropes.push_back(std::move(rope));
  return uint32_t(out_.config.ropes.size() - 1);
}

}  // namespace sluice
