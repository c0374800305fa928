// SPDX-License-Identifier: Apache-2.0
// The vocabulary of a GGUF file as the ready-made tables of fb::Vocab, so that a runtime builds nothing when it opens
// the model. Also the conventions around it: special tokens, which tokens end an answer, chat templates and the
// sampling defaults that the model's makers recommend.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "converter/gguf.h"
#include "schema/model_generated.h"

namespace sluice {

using Notice = std::function<void(const std::string& line)>;

// What the tables of a vocabulary may take, about three times the largest published ones: a conversion holds them twice
// when it writes them, and less than 128 MiB in all.
inline constexpr uint64_t kMaxVocabularyBytes = 40 << 20;
inline constexpr uint64_t kTokenTableBytes = 13;  // of each token besides its text: offset, order, score, type
inline constexpr uint64_t kMergeTableBytes = 16;  // of each merge

// kBadModel if the file has no vocabulary or one of an unknown kind, if its arrays contradict each other, or if it is
// larger than kMaxVocabularyBytes.
Result<std::unique_ptr<fb::VocabT>> build_vocabulary(const Gguf& gguf, const Notice& notice);

// Fills header.chat_template, chat_templates and sampling.
Status read_chat_defaults(const Gguf& gguf, fb::HeaderT& header);

// ---- parts of build_vocabulary, one file each ----

// What a name in tokenizer.ggml.model stands for, and what a file means that leaves a key out (-1: no such token).
struct TokenizerModel {
  const char* name;
  fb::VocabKind kind;
  bool has_merges;
  int32_t bos, eos, unknown, padding;
  bool add_bos, add_eos, add_space_prefix;
};

// Tokens that are looked for in a text before anything else.
inline bool is_special(fb::TokenType type) {
  return type == fb::TokenType::Control || type == fb::TokenType::UserDefined || type == fb::TokenType::Unknown;
}

// Token texts of `vocab` in place: text(id), and look-up of exact bytes through text_order.
class TokenTexts {
 public:
  explicit TokenTexts(const fb::VocabT& vocab) : vocab_(vocab) {}
  uint32_t size() const { return uint32_t(vocab_.types.size()); }
  std::string_view text(uint32_t id) const {
    const char* bytes = reinterpret_cast<const char*>(vocab_.bytes.data());
    return {bytes + vocab_.offsets[id], vocab_.offsets[id + 1] - vocab_.offsets[id]};
  }
  // The first token whose text is exactly this, or -1. Tokens with the same text follow it in text_order.
  int32_t find(std::string_view text) const;
  // Place in text_order of the first token whose text is not less than this.
  uint32_t lower_bound(std::string_view text) const;

 private:
  const fb::VocabT& vocab_;
};

// Byte-level BPE writes every byte as a printable character. Back to raw bytes; false if a character is none of those.
bool raw_bytes(std::string_view mapped, std::string& out);

// Fills text_order and text_buckets.
void sort_texts(fb::VocabT& vocab);

// Bytes of the tables so far.
uint64_t vocabulary_bytes(const fb::VocabT& vocab);

// Fills merge_*. `mapped[id]`: the token was written in mapped characters.
Status read_merges(const Gguf& gguf, const std::vector<bool>& mapped, fb::VocabT& vocab, const Notice& notice);

// Fills bos … pad, add_*, end_of_generation; may turn tokens that look like controls into controls.
Status read_special_tokens(const Gguf& gguf, const TokenizerModel& model, fb::VocabT& vocab, const Notice& notice);

// Fills strip_right; reads vocab.types.
Status read_stripping(const Gguf& gguf, fb::VocabT& vocab);

}  // namespace sluice
