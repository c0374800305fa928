// SPDX-License-Identifier: Apache-2.0
// libFuzzer: an input is a chat template; it is rendered with a conversation that has something of everything, within
// small limits. Whatever it says, it ends with a text or an error. Starts from a few templates that use all statements.
#include <span>
#include <string>

#include "base/file.h"
#include "runtime/chat/chat_template.h"
#include "runtime/chat/json_reader.h"

namespace sluice {
namespace {

constexpr std::string_view kConversation = R"({
  "messages": [
    {"role": "system", "content": "Be \u00fc <b>brief</b>."}, {"role": "user", "content": "Hi\n{{ x }}"},
    {"role": "assistant", "content": "", "reasoning_content": "r", "tool_calls": [{"id": "123456789", "type": "function",
      "function": {"name": "f", "arguments": {"a": [1, 2.5, null, true], "b": {"c": "d"}}}}]},
    {"role": "tool", "tool_call_id": "123456789", "content": "42"}],
  "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object",
    "properties": {"a": {"type": "array", "items": {"type": "number"}}}, "required": ["a"]}}}],
  "add_generation_prompt": true, "bos_token": "<s>", "eos_token": "</s>", "n": 3, "f": -0.5, "l": ["b", "A"], "e": ""})";

constexpr std::string_view kSeeds[] = {
    "{% for m in messages %}{{ loop.index ~ m.role }}{% if loop.last %}{% break %}{% endif %}{% else %}none{% endfor "
    "%}",
    "{%- set ns = namespace(a=0) -%}{% macro f(a, b=2) %}{{ a|tojson(indent=2) }}{% endmacro %}{{ f(tools, **{}) "
    "}}",
    "{% for x in [[1, [2]]] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}{{ '%5.2f|%-3d' % (f, n) }}",
    "{% call(p) f() %}{{ p }}{% endcall %}{% filter upper|trim %} a {% endfilter %}{% with a = 1 %}{{ a }}{% endwith "
    "%}",
    "{{ l|sort|map('upper')|join(', ') }}{{ '{:>10}{!r}'.format(n, e) }}{{ l[::-1] }}{{ 'a b'.split()[-1]|safe + '<' "
    "}}",
    "{{ tools|selectattr('function.name', 'eq', 'f')|list|length }}{{ strftime_now('%d %b %Y') }}{{ "
    "raise_exception('no') }}",
};

void try_template(std::string_view text) {
  static const jinja::Value context = std::move(*jinja::read_json(kConversation));
  TemplateLimits limits;
  limits.max_steps = 20'000;
  limits.max_output_bytes = 1 << 16;
  limits.max_range = 1000;
  const Result<ChatTemplate> parsed = ChatTemplate::parse(text, limits);
  if (parsed.ok()) (void)parsed->render(context, 0).ok();
}

void seed_corpus(const std::string& folder) {
  int number = 0;
  for (const std::string_view text : kSeeds) {
    (void)write_small_file(folder + "/seed-" + std::to_string(number++), std::as_bytes(std::span(text))).ok();
  }
}

}  // namespace
}  // namespace sluice

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc > 1 && (*argv)[1][0] != '-') sluice::seed_corpus((*argv)[1]);
  return 0;
}

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::try_template({reinterpret_cast<const char*>(data), size});
  return 0;
}
