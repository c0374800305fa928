// SPDX-License-Identifier: Apache-2.0
// Standard templates for models that bring none, chosen by the special tokens of their vocabulary. All are plain
// conversations without tools; a system message goes where the family's own template puts it.
#include "runtime/chat/chat_template.h"

namespace sluice {
namespace {

constexpr std::string_view kChatMl = R"({%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\n' -}}
{%- endif -%})";

constexpr std::string_view kLlama3 = R"({{- bos_token -}}
{%- for message in messages -%}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' -}}
{%- endif -%})";

constexpr std::string_view kGemma = R"({{- bos_token -}}
{%- set state = namespace(prefix='') -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- set state.prefix = state.prefix + message.content | trim + '\n\n' -%}
{%- else -%}
{%- set role = 'model' if message.role == 'assistant' else message.role -%}
{{- '<start_of_turn>' + role + '\n' + state.prefix + message.content | trim + '<end_of_turn>\n' -}}
{%- set state.prefix = '' -%}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<start_of_turn>model\n' -}}
{%- endif -%})";

constexpr std::string_view kPhi3 = R"({%- for message in messages -%}
{{- '<|' + message.role + '|>\n' + message.content + '<|end|>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>\n' -}}
{%- endif -%})";

constexpr std::string_view kMistral = R"({{- bos_token -}}
{%- set state = namespace(prefix='') -%}
{%- for message in messages -%}
{%- if message.role == 'system' -%}
{%- set state.prefix = state.prefix + message.content + '\n\n' -%}
{%- elif message.role == 'assistant' -%}
{{- ' ' + message.content | trim + eos_token -}}
{%- else -%}
{{- '[INST] ' + state.prefix + message.content + '[/INST]' -}}
{%- set state.prefix = '' -%}
{%- endif -%}
{%- endfor -%})";

constexpr std::string_view kZephyr = R"({%- for message in messages -%}
{{- '<|' + message.role + '|>\n' + message.content + eos_token + '\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|assistant|>\n' -}}
{%- endif -%})";

// The first row whose tokens the vocabulary all has.
struct Row {
  std::string_view tokens[2];
  std::string_view text;
};

constexpr Row kRows[] = {
    {{"<|im_start|>", "<|im_end|>"}, kChatMl},
    {{"<|start_header_id|>", "<|eot_id|>"}, kLlama3},
    {{"<start_of_turn>", "<end_of_turn>"}, kGemma},
    {{"<|end|>", "<|assistant|>"}, kPhi3},
    {{"[INST]", "[/INST]"}, kMistral},
    {{"<|assistant|>", "<|user|>"}, kZephyr},
};

}  // namespace

std::string_view fallback_template(bool (*has_token)(void* user, std::string_view text), void* user) {
  for (const Row& row : kRows) {
    if (has_token(user, row.tokens[0]) && has_token(user, row.tokens[1])) return row.text;
  }
  return {};
}

}  // namespace sluice
