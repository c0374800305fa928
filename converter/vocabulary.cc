// SPDX-License-Identifier: Apache-2.0
#include "converter/vocabulary.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <span>

#include "schema/charsmap.h"
#include "schema/layout.h"
#include "schema/pretokenizers.h"

namespace sluice {

using fb::TokenType;
using fb::VocabKind;

namespace {

// The characters of byte-level BPE: 0x21-0x7E, 0xA1-0xAC, 0xAE-0xFF stand for themselves, the other 68 bytes in
// increasing order are U+0100, U+0101, …
struct ByteCharacters {
  int16_t byte_of[256 + 68];  // -1: not one of them
  constexpr ByteCharacters() : byte_of() {
    int next = 256;
    for (int c = 0; c < 256; ++c) byte_of[c] = -1;
    for (int b = 0; b < 256; ++b) {
      const bool itself = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
      byte_of[itself ? b : next++] = int16_t(b);
    }
  }
};
constexpr ByteCharacters kByteCharacters;

}  // namespace

bool raw_bytes(std::string_view mapped, std::string& out) {
  out.clear();
  for (size_t i = 0; i < mapped.size(); ++i) {
    uint32_t c = uint8_t(mapped[i]);
    if (c >= 0x80) {  // all of them have at most two bytes
      if (c < 0xc2 || c > 0xdf || i + 1 == mapped.size() || (uint8_t(mapped[i + 1]) & 0xc0) != 0x80) return false;
      c = (c & 31) << 6 | (uint8_t(mapped[++i]) & 63);
    }
    if (c >= std::size(kByteCharacters.byte_of) || kByteCharacters.byte_of[c] < 0) return false;
    out.push_back(char(kByteCharacters.byte_of[c]));
  }
  return true;
}

namespace {

uint32_t bucket_of(std::string_view text) {
  const uint32_t first = text.empty() ? 0 : uint8_t(text[0]);
  const uint32_t second = text.size() < 2 ? 0 : uint8_t(text[1]);
  return first << 8 | second;
}

}  // namespace

uint64_t vocabulary_bytes(const fb::VocabT& vocab) {
  return vocab.bytes.size() + kTokenTableBytes * vocab.types.size() + kMergeTableBytes * vocab.merge_left.size();
}

void sort_texts(fb::VocabT& vocab) {
  const TokenTexts tokens(vocab);
  std::vector<uint32_t>& order = vocab.text_order;
  order.resize(tokens.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    const int c = tokens.text(a).compare(tokens.text(b));
    return c != 0 ? c < 0 : a < b;
  });
  vocab.text_buckets.assign(65537, 0);
  for (uint32_t id : order) ++vocab.text_buckets[bucket_of(tokens.text(id)) + 1];
  for (size_t b = 1; b < vocab.text_buckets.size(); ++b) vocab.text_buckets[b] += vocab.text_buckets[b - 1];
}

uint32_t TokenTexts::lower_bound(std::string_view text) const {
  const uint32_t bucket = bucket_of(text);
  const auto begin = vocab_.text_order.begin() + vocab_.text_buckets[bucket];
  const auto end = vocab_.text_order.begin() + vocab_.text_buckets[bucket + 1];
  const auto at =
      std::lower_bound(begin, end, text, [&](uint32_t id, std::string_view t) { return this->text(id) < t; });
  return uint32_t(at - vocab_.text_order.begin());
}

int32_t TokenTexts::find(std::string_view wanted) const {
  const uint32_t at = lower_bound(wanted);
  if (at == vocab_.text_order.size() || text(vocab_.text_order[at]) != wanted) return -1;
  return int32_t(vocab_.text_order[at]);
}

namespace {

Status read_types(const Gguf& gguf, uint64_t n, fb::VocabT& vocab) {
  vocab.types.assign(size_t(n), uint8_t(TokenType::Normal));
  if (!gguf.has("tokenizer.ggml.token_type")) return {};
  SLUICE_TRY(const std::vector<uint32_t> types, gguf.integers("tokenizer.ggml.token_type", kMaxVocab));
  if (types.size() < n) {
    return gguf.key_error("tokenizer.ggml.token_type",
                          "has " + std::to_string(types.size()) + " elements for " + std::to_string(n) + " tokens");
  }
  for (size_t i = 0; i < n; ++i) {
    if (types[i] > uint32_t(TokenType::Byte)) {
      return gguf.key_error("tokenizer.ggml.token_type",
                            "has the unknown type " + std::to_string(types[i]) + " for token " + std::to_string(i));
    }
    if (types[i] != 0) vocab.types[i] = uint8_t(types[i]);  // 0: undefined
  }
  return {};
}

// Normal tokens of byte-level BPE become raw bytes; what is not written in mapped characters stays as it is.
Status read_texts(const Gguf& gguf, fb::VocabT& vocab, std::vector<bool>& mapped) {
  const bool byte_level = vocab.kind == VocabKind::ByteBpe;
  const uint32_t most = vocab.kind == VocabKind::Unigram ? kMaxUnigramBytes : kMaxTokenBytes;
  std::string raw;
  vocab.offsets.reserve(vocab.types.size() + 1);
  vocab.offsets.push_back(0);
  return gguf.for_each_text("tokenizer.ggml.tokens", [&](uint64_t id, std::string_view text) -> Status {
    if (text.size() > most) {
      return gguf.key_error("tokenizer.ggml.tokens", "has a token of " + std::to_string(text.size()) +
                                                         " bytes, at most " + std::to_string(most) + " are allowed");
    }
    if (vocabulary_bytes(vocab) + text.size() > kMaxVocabularyBytes) {
      return gguf.key_error("tokenizer.ggml.tokens", "has " + std::to_string(vocab.types.size()) +
                                                         " tokens whose texts and tables take more memory than the " +
                                                         std::to_string(kMaxVocabularyBytes >> 20) +
                                                         " MiB that a conversion has for them");
    }
    const auto type = TokenType(vocab.types[id]);
    mapped[id] = byte_level && !is_special(type) && raw_bytes(text, raw);
    if (mapped[id]) text = raw;
    vocab.bytes.insert(vocab.bytes.end(), text.begin(), text.end());
    vocab.offsets.push_back(uint32_t(vocab.bytes.size()));
    return {};
  });
}

void count_duplicates(const fb::VocabT& vocab, const Notice& notice) {
  const TokenTexts tokens(vocab);
  uint64_t n = 0;
  for (size_t i = 1; i < vocab.text_order.size(); ++i) {
    n += tokens.text(vocab.text_order[i - 1]) == tokens.text(vocab.text_order[i]);
  }
  if (n > 0) notice("vocabulary: " + std::to_string(n) + " tokens have the text of another token");
}

void find_byte_tokens(const std::vector<bool>& mapped, fb::VocabT& vocab) {
  const TokenTexts tokens(vocab);
  vocab.byte_tokens.assign(256, -1);
  for (int b = 0; b < 256; ++b) {
    if (vocab.kind != VocabKind::ByteBpe) {
      char name[8];
      snprintf(name, sizeof name, "<0x%02X>", b);
      vocab.byte_tokens[size_t(b)] = tokens.find(name);
      continue;
    }
    const char text = char(b);
    for (uint32_t i = tokens.lower_bound({&text, 1}); i < tokens.size(); ++i) {
      const uint32_t id = vocab.text_order[i];
      if (tokens.text(id) != std::string_view(&text, 1)) break;
      if (!mapped[id]) continue;
      vocab.byte_tokens[size_t(b)] = int32_t(id);
      break;
    }
  }
}

void list_special(fb::VocabT& vocab) {
  const TokenTexts tokens(vocab);
  for (uint32_t id = 0; id < tokens.size(); ++id) {
    const auto type = TokenType(vocab.types[id]);
    if (is_special(type) && !tokens.text(id).empty()) vocab.special.push_back(id);
  }
  std::stable_sort(vocab.special.begin(), vocab.special.end(),
                   [&](uint32_t a, uint32_t b) { return tokens.text(a).size() > tokens.text(b).size(); });
}

// Published files count on these where keys are missing: GPT-2 style ones once had their one special token at 11.
constexpr TokenizerModel kModels[] = {
    {"gpt2", VocabKind::ByteBpe, true, 11, 11, -1, -1, false, false, false},
    {"llama", VocabKind::SentencePieceBpe, false, 1, 2, 0, -1, true, false, true},
    {"gemma4", VocabKind::SentencePieceBpe, true, -1, -1, -1, -1, false, false, false},
    {"t5", VocabKind::Unigram, false, -1, 1, 2, 0, false, true, false},
};
constexpr const TokenizerModel& kGemma4 = kModels[2];

Result<const TokenizerModel*> find_model(const Gguf& gguf) {
  SLUICE_TRY(const std::string name, gguf.text("tokenizer.ggml.model"));
  SLUICE_TRY(const std::string pre, gguf.text("tokenizer.ggml.pre", ""));
  if (name == "gpt2" && pre == kGemma4.name) return &kGemma4;
  for (const TokenizerModel& model : kModels) {
    if (name == model.name) return &model;
  }
  return gguf.key_error("tokenizer.ggml.model",
                        "is \"" + name +
                            "\"; gpt2 (byte-level BPE), llama (SentencePiece), gemma4 (SentencePiece with merges) and "
                            "t5 (Unigram) are known");
}

// Only merges need a pre-tokenizer.
Status read_pretokenizer(const Gguf& gguf, const TokenizerModel& model, fb::VocabT& vocab, const Notice& notice) {
  SLUICE_TRY(vocab.pre, gguf.text("tokenizer.ggml.pre", "default"));
  if (vocab.pre.size() > kMaxNameBytes) return gguf.key_error("tokenizer.ggml.pre", "is too long");
  if (&model == &kGemma4) vocab.pre = kGemma4.name;
  if (!model.has_merges) return {};
  if (vocab.kind == VocabKind::ByteBpe && !gguf.has("tokenizer.ggml.pre")) {
    notice("vocabulary: the file does not name its pre-tokenizer, the default one may not be the right one");
  }
  if (pretokenizer_family(vocab.pre).empty()) {
    notice("pre-tokenizer \"" + vocab.pre + "\" is not known to this version: the model cannot be run yet");
  }
  return {};
}

Status read_scores(const Gguf& gguf, uint64_t n, const TokenizerModel& model, fb::VocabT& vocab) {
  if (model.has_merges && !gguf.has("tokenizer.ggml.scores")) {
    vocab.scores.assign(size_t(n), 0);  // merges have ranks of their own
    return {};
  }
  SLUICE_TRY(vocab.scores, gguf.reals("tokenizer.ggml.scores", kMaxVocab));
  if (vocab.scores.size() < n) {
    return gguf.key_error("tokenizer.ggml.scores", "has " + std::to_string(vocab.scores.size()) + " elements for " +
                                                       std::to_string(n) + " tokens");
  }
  vocab.scores.resize(size_t(n));
  return {};
}

// SentencePiece's own blob, as it is.
Status read_charsmap(const Gguf& gguf, fb::VocabT& vocab) {
  constexpr const char* kKey = "tokenizer.ggml.precompiled_charsmap";
  if (!gguf.has(kKey)) return {};
  SLUICE_TRY(vocab.charsmap, gguf.bytes(kKey, kMaxCharsmapBytes));
  const Result<Charsmap> map =
      Charsmap::of({reinterpret_cast<const char*>(vocab.charsmap.data()), vocab.charsmap.size()});
  return map.ok() ? Status() : gguf.key_error(kKey, "is broken: " + map.error().message);
}

}  // namespace

Result<std::unique_ptr<fb::VocabT>> build_vocabulary(const Gguf& gguf, const Notice& notice) {
  auto vocab = std::make_unique<fb::VocabT>();
  SLUICE_TRY(const TokenizerModel* model, find_model(gguf));
  vocab->kind = model->kind;
  const GgufValue* list = gguf.find("tokenizer.ggml.tokens");
  if (!list) return gguf.key_error("tokenizer.ggml.tokens", "is missing");
  if (!list->is_array || list->count == 0 || list->count > kMaxVocab) {
    return gguf.key_error("tokenizer.ggml.tokens", "is not a list of 1 to " + std::to_string(kMaxVocab) + " tokens");
  }
  SLUICE_DO(read_pretokenizer(gguf, *model, *vocab, notice));
  std::vector<bool> mapped(size_t(list->count));
  SLUICE_DO(read_types(gguf, list->count, *vocab));
  SLUICE_DO(read_texts(gguf, *vocab, mapped));
  if (vocab->bytes.empty()) return gguf.key_error("tokenizer.ggml.tokens", "holds nothing but empty texts");
  sort_texts(*vocab);
  count_duplicates(*vocab, notice);
  find_byte_tokens(mapped, *vocab);
  if (model->has_merges) SLUICE_DO(read_merges(gguf, mapped, *vocab, notice));
  if (vocab->kind != VocabKind::ByteBpe) {
    SLUICE_DO(read_scores(gguf, list->count, *model, *vocab));
    SLUICE_DO(read_charsmap(gguf, *vocab));
  }
  SLUICE_DO(read_special_tokens(gguf, *model, *vocab, notice));
  SLUICE_DO(read_stripping(gguf, *vocab));
  list_special(*vocab);
  return vocab;
}

}  // namespace sluice
