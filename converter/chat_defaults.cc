// SPDX-License-Identifier: Apache-2.0
// What a model's makers recommend for talking to it: chat templates (their own Jinja text) and sampling values.
#include <cmath>

#include "converter/vocabulary.h"
#include "schema/layout.h"

namespace sluice {

namespace {

constexpr std::string_view kTemplate = "tokenizer.chat_template";

Result<std::string> read_template(const Gguf& gguf, const std::string& key) {
  SLUICE_TRY(std::string text, gguf.text(key));
  if (text.size() > kMaxTemplateBytes) {
    return gguf.key_error(key, "has " + std::to_string(text.size()) + " bytes, at most " +
                                   std::to_string(kMaxTemplateBytes) + " are allowed");
  }
  return text;
}

// A number that makes no sense is a contradiction, not a default.
Status read_value(const Gguf& gguf, const char* key, double max, float& out) {
  if (!gguf.has(key)) return {};
  SLUICE_TRY(const double x, gguf.real(key));
  if (x < 0 || x > max) return gguf.key_error(key, "lies outside 0 to " + std::to_string(max));
  out = float(x);
  return {};
}

// A whole number; -1 stands for "all" where `min` allows it.
Status read_count(const Gguf& gguf, const char* key, int32_t min, int32_t max, int32_t& out) {
  if (!gguf.has(key)) return {};
  SLUICE_TRY(const double x, gguf.real(key));
  if (x < min || x > max || x != std::trunc(x))
    return gguf.key_error(key, "is no whole number from " + std::to_string(min) + " to " + std::to_string(max));
  out = int32_t(x);
  return {};
}

}  // namespace

Status read_chat_defaults(const Gguf& gguf, fb::HeaderT& header) {
  if (gguf.has(kTemplate)) {
    SLUICE_TRY(header.chat_template, read_template(gguf, std::string(kTemplate)));
  }
  const std::string prefix = std::string(kTemplate) + ".";
  for (auto at = gguf.values().lower_bound(prefix); at != gguf.values().end() && at->first.starts_with(prefix); ++at) {
    if (header.chat_templates.size() == kMaxTemplates) return gguf.key_error(at->first, "is one template too many");
    auto named = std::make_unique<fb::NamedTemplateT>();
    named->name = at->first.substr(prefix.size());
    if (named->name.empty() || named->name.size() > kMaxNameBytes)
      return gguf.key_error(at->first, "names its template badly");
    SLUICE_TRY(named->text, read_template(gguf, at->first));
    header.chat_templates.push_back(std::move(named));
  }
  auto sampling = std::make_unique<fb::SamplingDefaultsT>();
  SLUICE_DO(read_value(gguf, "general.sampling.temp", 100, sampling->temp));
  SLUICE_DO(read_value(gguf, "general.sampling.top_p", 1, sampling->top_p));
  SLUICE_DO(read_value(gguf, "general.sampling.min_p", 1, sampling->min_p));
  SLUICE_DO(read_value(gguf, "general.sampling.penalty_repeat", 100, sampling->repeat_penalty));
  if (gguf.has("general.sampling.top_k")) {
    SLUICE_TRY(const uint32_t top_k, gguf.integer("general.sampling.top_k", 0, INT32_MAX));
    sampling->top_k = int32_t(top_k);
  }
  SLUICE_DO(read_count(gguf, "general.sampling.penalty_last_n", -1, INT32_MAX, sampling->penalty_last_n));
  SLUICE_DO(read_value(gguf, "general.sampling.xtc_probability", 1, sampling->xtc_probability));
  SLUICE_DO(read_value(gguf, "general.sampling.xtc_threshold", 1, sampling->xtc_threshold));
  SLUICE_DO(read_count(gguf, "general.sampling.mirostat", 0, 2, sampling->mirostat));
  SLUICE_DO(read_value(gguf, "general.sampling.mirostat_tau", 100, sampling->mirostat_tau));
  SLUICE_DO(read_value(gguf, "general.sampling.mirostat_eta", 100, sampling->mirostat_eta));
  header.sampling = std::move(sampling);
  return {};
}

}  // namespace sluice
