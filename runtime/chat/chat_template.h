// SPDX-License-Identifier: Apache-2.0
// A model's chat template: its own Jinja text, parsed once and evaluated by a bounded interpreter without any access
// to the host but its clock (strftime_now). Settings are those of transformers: trim_blocks, lstrip_blocks, tojson
// without ASCII escaping.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "runtime/chat/value.h"

namespace sluice {

// Every bound is a test at its edge.
struct TemplateLimits {
  uint64_t max_template_bytes = 256 << 10;
  uint64_t max_steps = 1'000'000;
  uint64_t max_output_bytes = 8 << 20;
  uint32_t max_depth = 64;       // nesting of blocks, expressions and macro calls
  uint64_t max_range = 100'000;  // items of range()
};

class ChatTemplate {
 public:
  ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // kBadModel with line and construct: syntax errors, and constructs this interpreter does not know.
  static Result<ChatTemplate> parse(std::string_view text, const TemplateLimits& limits = {});

  // `context` is a dict whose members are the template's variables (messages, tools, add_generation_prompt,
  // bos_token, eos_token, …); the template cannot change it. kUsage with the template's own words when it calls
  // raise_exception; kBadModel for errors of the template and exceeded limits. `now` (Unix time) stands in for the
  // clock that strftime_now reads.
  Result<std::string> render(const jinja::Value& context, std::optional<int64_t> now = {}) const;

 private:
  struct Program;
  std::unique_ptr<Program> program_;
};

// For models without a template: the text of a standard one, chosen by which special tokens the vocabulary has
// (ChatML, Llama 3, Gemma, …; `has_token(user, text)` answers). Empty if none fits: then prompts are plain text.
std::string_view fallback_template(bool (*has_token)(void* user, std::string_view text), void* user);

}  // namespace sluice
