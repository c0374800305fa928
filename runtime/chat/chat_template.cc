// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat/chat_template.h"

#include "runtime/chat/interpreter.h"
#include "runtime/chat/parser.h"
#include "runtime/tokenizer/unicode.h"

namespace sluice {

struct ChatTemplate::Program {
  std::unique_ptr<jinja::Template> parsed;
  TemplateLimits limits;
};

ChatTemplate::ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string_view text, const TemplateLimits& limits) {
  if (text.size() > limits.max_template_bytes) {
    return make_error(Code::kBadModel, "chat template", kNoOffset, "%zu bytes long, at most %llu are allowed",
                      text.size(), static_cast<unsigned long long>(limits.max_template_bytes));
  }
  std::string storage;
  SLUICE_TRY(std::unique_ptr<jinja::Template> parsed, jinja::parse(valid_utf8(text, storage), limits.max_depth));
  ChatTemplate t;
  t.program_ = std::make_unique<Program>(Program{std::move(parsed), limits});
  return t;
}

Result<std::string> ChatTemplate::render(const jinja::Value& context, std::optional<int64_t> now) const {
  if (!program_) return std::string();
  return jinja::Interpreter(*program_->parsed, program_->limits, now).run(context);
}

}  // namespace sluice
