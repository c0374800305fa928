// SPDX-License-Identifier: Apache-2.0
#include <set>
#include <string>

#include "runtime/chat/chat_template.h"
#include "runtime/chat/json_reader.h"
#include "support/catch.h"

namespace sluice {
namespace {

using Tokens = std::set<std::string, std::less<>>;

std::string_view chosen(Tokens tokens) {
  return fallback_template(
      [](void* user, std::string_view text) { return static_cast<Tokens*>(user)->count(text) != 0; }, &tokens);
}

std::string rendered(const Tokens& tokens, bool prompt = true) {
  const Result<jinja::Value> context = jinja::read_json(
      R"({"bos_token": "<bos>", "eos_token": "</s>", "messages": [{"role": "system", "content": "S"},
    {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}],
    "add_generation_prompt": )" +
      std::string(prompt ? "true}" : "false}"));
  REQUIRE(context.ok());
  Result<ChatTemplate> parsed = ChatTemplate::parse(chosen(tokens));
  REQUIRE(parsed.ok());
  Result<std::string> text = parsed->render(*context);
  INFO((text.ok() ? std::string() : text.error().text()));
  REQUIRE(text.ok());
  return *text;
}

}  // namespace

TEST_CASE("models without a template get the standard one that their special tokens tell", "[chat]") {
  CHECK(rendered({"<|im_start|>", "<|im_end|>"}) ==
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
        "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n");
  CHECK(rendered({"<|start_header_id|>", "<|eot_id|>"}) ==
        "<bos><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\na<|"
        "eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nb<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nc<|"
        "eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n");
  CHECK(rendered({"<start_of_turn>", "<end_of_turn>"}) ==
        "<bos><start_of_turn>user\nS\n\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n"
        "<start_of_turn>user\nc<end_of_turn>\n<start_of_turn>model\n");
  CHECK(rendered({"<|end|>", "<|assistant|>"}) ==
        "<|system|>\nS<|end|>\n<|user|>\na<|end|>\n<|assistant|>\nb<|end|>\n<|user|>\nc<|end|>\n<|assistant|>\n");
  CHECK(rendered({"[INST]", "[/INST]"}) == "<bos>[INST] S\n\na[/INST] b</s>[INST] c[/INST]");
  CHECK(rendered({"<|assistant|>", "<|user|>"}) ==
        "<|system|>\nS</s>\n<|user|>\na</s>\n<|assistant|>\nb</s>\n<|user|>\nc</s>\n<|assistant|>\n");
}

TEST_CASE("without a generation prompt the history ends with its last turn", "[chat]") {
  CHECK(rendered({"<start_of_turn>", "<end_of_turn>"}, false) ==
        "<bos><start_of_turn>user\nS\n\na<end_of_turn>\n<start_of_turn>model\nb<end_of_turn>\n<start_of_turn>user\nc<"
        "end_of_turn>\n");
}

TEST_CASE("a vocabulary without known tokens has no standard template", "[chat]") {
  CHECK(chosen({}).empty());
  CHECK(chosen({"<|im_start|>"}).empty());
}

}  // namespace sluice
