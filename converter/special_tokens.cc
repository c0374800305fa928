// SPDX-License-Identifier: Apache-2.0
// Conventions that GGUF files leave unsaid: when BOS is added, which tokens end an answer, which swallow white space.
// The lists follow what llama.cpp recognises, because published files were made to work with it.
#include <algorithm>
#include <utility>

#include "converter/vocabulary.h"
#include "schema/layout.h"

namespace sluice {

using fb::TokenType;
using fb::VocabKind;

namespace {

constexpr std::string_view kEndOfGeneration[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
    "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>",
    // markers of a repository's next file: an answer in code ends there
    "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]", "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>",
    "<reponame>", "<|file_sep|>"};

// Ordinary text in some vocabularies (HTML), so these count only where the file says control.
constexpr std::string_view kOrdinaryText[] = {"</s>", "<PAD>", "[PAD]", "<REPO>"};

constexpr std::string_view kIgnoresMerges[] = {
    "llama3",  "llama-v3", "llama-bpe", "falcon3",      "falcon-h1",
    "pixtral", "midm-2.0", "lfm2",      "jina-v5-nano", "tekken",
    "youtu",   "glm4",     "glm5",      "minicpm5",     "granite-embed-multi-97m"};
constexpr std::string_view kAddsBos[] = {"llama3",   "llama-v3", "llama-bpe",    "falcon3", "falcon-h1", "pixtral",
                                         "midm-2.0", "lfm2",     "jina-v5-nano", "tekken",  "chameleon"};

template <class List>
bool contains(const List& list, std::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

// A special token's id, or `fallback` where the key is missing or names no token.
Result<int32_t> token_id(const Gguf& gguf, const std::string& key, uint32_t n_vocab, int32_t fallback,
                         const Notice& notice) {
  const GgufValue* value = gguf.find(key);
  if (!value) return fallback;
  if (value->is_array || (value->type != GgufType::kU32 && value->type != GgufType::kI32)) {
    return gguf.key_error(key, "is not a token id");
  }
  if (value->bits < n_vocab) return int32_t(value->bits);
  if (value->bits != UINT64_MAX && value->bits != UINT32_MAX) {  // -1 is written for "none"
    notice("vocabulary: " + key + " is " + std::to_string(value->bits) + ", which is no token; it is left out");
  }
  return -1;
}

}  // namespace

Status read_special_tokens(const Gguf& gguf, const TokenizerModel& model, fb::VocabT& vocab, const Notice& notice) {
  const TokenTexts tokens(vocab);
  const auto id = [&](const char* name, int32_t fallback) {
    return token_id(gguf, std::string("tokenizer.ggml.") + name + "_token_id", tokens.size(), fallback, notice);
  };
  const auto control_or_none = [&](int32_t token) -> int32_t {
    const bool exists = token >= 0 && uint32_t(token) < tokens.size();
    return exists && TokenType(vocab.types[size_t(token)]) != TokenType::Normal ? token : -1;
  };
  SLUICE_TRY(vocab.bos, id("bos", control_or_none(model.bos)));
  SLUICE_TRY(vocab.eos, id("eos", control_or_none(model.eos)));
  SLUICE_TRY(vocab.unk, id("unknown", control_or_none(model.unknown)));
  SLUICE_TRY(vocab.pad, id("padding", control_or_none(model.padding)));
  const bool byte_level = vocab.kind == VocabKind::ByteBpe;
  const bool adds_bos = model.add_bos || (byte_level && contains(kAddsBos, vocab.pre));
  SLUICE_TRY(vocab.add_bos, gguf.truth("tokenizer.ggml.add_bos_token", adds_bos));
  SLUICE_TRY(vocab.add_eos, gguf.truth("tokenizer.ggml.add_eos_token", model.add_eos));
  SLUICE_TRY(vocab.add_space_prefix, gguf.truth("tokenizer.ggml.add_space_prefix", model.add_space_prefix));
  SLUICE_TRY(vocab.collapse_spaces, gguf.truth("tokenizer.ggml.remove_extra_whitespaces", false));
  SLUICE_TRY(vocab.ignore_merges,
             gguf.truth("tokenizer.ggml.ignore_merges", byte_level && contains(kIgnoresMerges, vocab.pre)));

  std::vector<uint32_t>& ends = vocab.end_of_generation;
  for (const char* name : {"eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"}) {
    SLUICE_TRY(const int32_t token, name == std::string_view("eos") ? Result<int32_t>(vocab.eos) : id(name, -1));
    if (token >= 0) ends.push_back(uint32_t(token));
  }
  // A word of HTML again in vocabularies that have a marker of their own for the end of a turn.
  const int32_t plain = tokens.find("<|tool_response>") >= 0 ? tokens.find("</s>") : -1;
  if (plain >= 0) vocab.types[size_t(plain)] = uint8_t(TokenType::Normal);
  const bool harmony = tokens.find("<|call|>") >= 0 && tokens.find("<|return|>") >= 0;
  for (std::string_view text : kEndOfGeneration) {
    const int32_t token = tokens.find(text);
    if (token < 0) continue;
    if (harmony && text == "<|end|>") continue;  // ends a message there, not the answer
    uint8_t& type = vocab.types[size_t(token)];
    if (TokenType(type) != TokenType::Control) {
      if (contains(kOrdinaryText, text)) continue;
      notice("vocabulary: " + std::string(text) + " is taken as a control token");
      type = uint8_t(TokenType::Control);
    }
    ends.push_back(uint32_t(token));
  }
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  return {};
}

Status read_stripping(const Gguf& gguf, fb::VocabT& vocab) {
  const TokenTexts tokens(vocab);
  bool stated = false;  // by other sources
  for (const auto& [key, list] : {std::pair("tokenizer.ggml.strip_left", &vocab.strip_left),
                                  std::pair("tokenizer.ggml.strip_right", &vocab.strip_right)}) {
    if (!gguf.has(key)) continue;
    stated = true;
    SLUICE_TRY(*list, gguf.integers(key, kMaxVocab));
    for (size_t i = 0; i < list->size(); ++i) {
      const uint32_t id = (*list)[i];
      const bool fits = id < tokens.size() && is_special(TokenType(vocab.types[id])) && (i == 0 || (*list)[i - 1] < id);
      if (!fits) return gguf.key_error(key, "is no ascending list of special tokens");
    }
  }
  if (stated) return {};
  // GGUF files do not carry this property. It is known to be one of the Phi-3 family, for all but these tokens.
  constexpr std::string_view kKeep[] = {"<unk>", "<s>", "<|endoftext|>"};
  SLUICE_TRY(std::string name, gguf.text("general.name", ""));
  for (char& c : name) c = c >= 'A' && c <= 'Z' ? char(c | 0x20) : c;
  if (name.find("phi-3") == name.npos && name.find("phi3") == name.npos) return {};
  for (uint32_t id = 0; id < tokens.size(); ++id) {
    if (is_special(TokenType(vocab.types[id])) && !contains(kKeep, tokens.text(id))) vocab.strip_right.push_back(id);
  }
  return {};
}

}  // namespace sluice
