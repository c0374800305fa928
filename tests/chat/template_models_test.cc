// SPDX-License-Identifier: Apache-2.0
// Templates of real models, word for word from their files, and what jinja2 with the settings of transformers makes of
// them.
#include "runtime/chat/chat_template.h"
#include "runtime/chat/json_reader.h"
#include "support/catch.h"

namespace sluice {
namespace {

// SmolLM2-135M-Instruct
constexpr const char* kSmolLm2 =
    R"t({% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %})t";

// Qwen2.5-Coder-1.5B-Instruct
constexpr const char* kQwen = R"t({%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if messages[0]['role'] == 'system' %}
        {{- messages[0]['content'] }}
    {%- else %}
        {{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }}
    {%- endif %}
    {{- "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>" }}
    {%- for tool in tools %}
        {{- "\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{{\"name\": <function-name>, \"arguments\": <args-json-object>}}\n</tool_call><|im_end|>\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\n' + messages[0]['content'] + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- if message.content %}
            {{- '\n' + message.content }}
        {%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}
                {%- set tool_call = tool_call.function %}
            {%- endif %}
            {{- '\n<tool_call>\n{"name": "' }}
            {{- tool_call.name }}
            {{- '", "arguments": ' }}
            {{- tool_call.arguments | tojson }}
            {{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\n<tool_response>\n' }}
        {{- message.content }}
        {{- '\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
{%- endif %}
)t";

std::string rendered(const char* text, const char* context) {
  Result<ChatTemplate> parsed = ChatTemplate::parse(text);
  INFO((parsed.ok() ? std::string() : parsed.error().text()));
  REQUIRE(parsed.ok());
  const Result<jinja::Value> variables = jinja::read_json(context);
  REQUIRE(variables.ok());
  Result<std::string> out = parsed->render(*variables);
  INFO((out.ok() ? std::string() : out.error().text()));
  REQUIRE(out.ok());
  return *out;
}

}  // namespace

TEST_CASE("SmolLM2 gets its system prompt when there is none", "[chat]") {
  CHECK(rendered(
            kSmolLm2,
            R"t({"messages": [{"role": "user", "content": "  Hello, wörld!\n "}], "add_generation_prompt": true})t") ==
        R"t(<|im_start|>system
You are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>
<|im_start|>user
  Hello, wörld!
 <|im_end|>
<|im_start|>assistant
)t");
}

TEST_CASE("SmolLM2 keeps a system prompt and the turns", "[chat]") {
  CHECK(
      rendered(
          kSmolLm2,
          R"t({"messages": [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": " Hello\n there "}, {"role": "user", "content": "Bye"}], "add_generation_prompt": true})t") ==
      R"t(<|im_start|>system
You are terse.<|im_end|>
<|im_start|>user
Hi<|im_end|>
<|im_start|>assistant
 Hello
 there <|im_end|>
<|im_start|>user
Bye<|im_end|>
<|im_start|>assistant
)t");
}

TEST_CASE("Qwen2.5-Coder renders turns", "[chat]") {
  CHECK(
      rendered(
          kQwen,
          R"t({"messages": [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": " Hello\n there "}, {"role": "user", "content": "Bye"}], "add_generation_prompt": true})t") ==
      R"t(<|im_start|>system
You are terse.<|im_end|>
<|im_start|>user
Hi<|im_end|>
<|im_start|>assistant
 Hello
 there <|im_end|>
<|im_start|>user
Bye<|im_end|>
<|im_start|>assistant
)t");
}

TEST_CASE("Qwen2.5-Coder renders tools, a call and its result", "[chat]") {
  CHECK(
      rendered(
          kQwen,
          R"t({"messages": [{"role": "user", "content": "Weather in Paris?"}, {"role": "assistant", "content": "", "tool_calls": [{"id": "abc123def", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Paris", "n": 1.5, "ok": true, "none": null, "l": [1, "a"]}}}]}, {"role": "tool", "name": "get_weather", "content": "{\"temp\": 20}", "tool_call_id": "abc123def"}, {"role": "assistant", "content": "20 degrees"}, {"role": "user", "content": "thanks"}], "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Get the weather, \"now\" — für <Ort>", "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "City name"}, "unit": {"type": "string", "enum": ["c", "f"], "default": "c"}, "days": {"type": "array", "items": {"type": "integer"}}, "opt": {"type": ["string", "null"]}, "nest": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}}, "required": ["city"]}, "return": {"type": "string"}}}], "add_generation_prompt": true})t") ==
      R"t(<|im_start|>system
You are Qwen, created by Alibaba Cloud. You are a helpful assistant.

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"type": "function", "function": {"name": "get_weather", "description": "Get the weather, \"now\" — für <Ort>", "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "City name"}, "unit": {"type": "string", "enum": ["c", "f"], "default": "c"}, "days": {"type": "array", "items": {"type": "integer"}}, "opt": {"type": ["string", "null"]}, "nest": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}}, "required": ["city"]}, "return": {"type": "string"}}}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call><|im_end|>
<|im_start|>user
Weather in Paris?<|im_end|>
<|im_start|>assistant
<tool_call>
{"name": "get_weather", "arguments": {"city": "Paris", "n": 1.5, "ok": true, "none": null, "l": [1, "a"]}}
</tool_call><|im_end|>
<|im_start|>user
<tool_response>
{"temp": 20}
</tool_response><|im_end|>
<|im_start|>assistant
20 degrees<|im_end|>
<|im_start|>user
thanks<|im_end|>
<|im_start|>assistant
)t");
}

}  // namespace sluice
