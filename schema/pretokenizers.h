// SPDX-License-Identifier: Apache-2.0
// The names of pre-tokenizers (Vocab.pre, in the spelling of GGUF's tokenizer.ggml.pre) that this version knows. Many
// names share one rule, whose name is the family; the runtime has one row for each family. What a family does is not
// said here.
#pragma once
#include <string_view>

namespace sluice {

struct PretokenizerName {
  std::string_view name, family;
};

inline constexpr PretokenizerName kPretokenizerNames[] = {
    {"default", "default"},
    {"gpt-2", "gpt-2"},
    {"mpt", "gpt-2"},
    {"olmo", "gpt-2"},
    {"phi-2", "gpt-2"},
    {"jais", "gpt-2"},
    {"trillion", "gpt-2"},
    {"granite-docling", "gpt-2"},
    {"exaone4", "gpt-2"},
    {"gigachat", "gpt-2"},
    {"mellum", "gpt-2"},
    {"a.x-4.0", "gpt-2"},
    {"smollm", "smollm"},
    {"starcoder", "smollm"},
    {"refact", "smollm"},
    {"command-r", "smollm"},
    {"codeshell", "smollm"},
    {"exaone", "smollm"},
    {"minerva-7b", "smollm"},
    {"mellum2", "smollm"},
    {"llama-bpe", "llama-bpe"},
    {"llama3", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"falcon3", "llama-bpe"},
    {"falcon-h1", "llama-bpe"},
    {"pixtral", "llama-bpe"},
    {"midm-2.0", "llama-bpe"},
    {"lfm2", "llama-bpe"},
    {"dbrx", "llama-bpe"},
    {"smaug-bpe", "llama-bpe"},
    {"chatglm-bpe", "llama-bpe"},
    {"glm4", "llama-bpe"},
    {"glm5", "llama-bpe"},
    {"minicpm5", "minicpm5"},
    {"qwen2", "qwen2"},
    {"deepseek-r1-qwen", "qwen2"},
    {"stablelm2", "qwen2"},
    {"hunyuan", "qwen2"},
    {"megrez", "qwen2"},
    {"grok-2", "qwen2"},
    {"kormo", "qwen2"},
    {"solar-open", "qwen2"},
    {"bailingmoe", "qwen2"},  // spelled otherwise, cuts alike
    {"bailingmoe2", "qwen2"},
    {"llada-moe", "qwen2"},
    {"qwen35", "qwen35"},
    {"seed-coder", "seed-coder"},
    {"tekken", "tekken"},
    {"gpt-4o", "gpt-4o"},
    {"llama4", "gpt-4o"},
    {"kanana2", "gpt-4o"},
    {"minimax-m2", "gpt-4o"},
    {"falcon", "falcon"},
    {"deepseek-coder", "deepseek-coder"},
    {"deepseek-llm", "deepseek-llm"},
    {"deepseek-v3", "deepseek-v3"},
    {"hunyuan-dense", "deepseek-v3"},
    {"joyai-llm", "deepseek-v3"},
    {"gemma4", "gemma4"},
};

// Empty if the name is not known.
constexpr std::string_view pretokenizer_family(std::string_view name) {
  for (const PretokenizerName& row : kPretokenizerNames) {
    if (row.name == name) return row.family;
  }
  return {};
}

}  // namespace sluice
