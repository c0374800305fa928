// SPDX-License-Identifier: Apache-2.0
#include "bench/synthetic/byte_vocabulary.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

namespace sluice {

namespace {

// " ba", " be", …: digits to the base 60, each a consonant and a vowel; every number has a word of its own.
std::string word(uint32_t number) {
  constexpr std::string_view kConsonants = "bdfgklmnprst", kVowels = "aeiou";
  std::string text = " ";
  for (uint32_t rest = number;; rest = rest / 60 - 1) {
    text += kConsonants[rest % 60 / 5];
    text += kVowels[rest % 5];
    if (rest < 60) return text;
  }
}

void sort_texts(const std::vector<std::string>& texts, fb::VocabT& vocab) {
  vocab.text_order.resize(texts.size());
  std::iota(vocab.text_order.begin(), vocab.text_order.end(), 0u);
  std::sort(vocab.text_order.begin(), vocab.text_order.end(),
            [&](uint32_t a, uint32_t b) { return texts[a] != texts[b] ? texts[a] < texts[b] : a < b; });
  vocab.text_buckets.assign(65537, 0);
  for (const std::string& text : texts) {
    ++vocab.text_buckets[(size_t(uint8_t(text[0])) << 8 | (text.size() > 1 ? uint8_t(text[1]) : 0)) + 1];
  }
  std::partial_sum(vocab.text_buckets.begin(), vocab.text_buckets.end(), vocab.text_buckets.begin());
}

}  // namespace

std::unique_ptr<fb::VocabT> byte_vocabulary(uint32_t n_tokens) {
  auto vocab = std::make_unique<fb::VocabT>();
  vocab->kind = fb::VocabKind::ByteBpe;
  vocab->pre = "gpt-2";
  std::vector<std::string> texts;
  for (uint32_t b = 0; b < 256; ++b) {
    texts.push_back(std::string(1, char(b)));
    vocab->byte_tokens.push_back(int32_t(b));
  }
  for (uint32_t i = 256; i + 2 < n_tokens; ++i) texts.push_back(word(i - 256));
  texts.insert(texts.end(), {"<|begin|>", "<|end|>"});
  vocab->offsets.push_back(0);
  for (const std::string& text : texts) {
    vocab->bytes.insert(vocab->bytes.end(), text.begin(), text.end());
    vocab->offsets.push_back(uint32_t(vocab->bytes.size()));
  }
  vocab->types.assign(n_tokens, uint8_t(fb::TokenType::Normal));
  vocab->bos = int32_t(n_tokens - 2), vocab->eos = int32_t(n_tokens - 1);
  vocab->types[n_tokens - 2] = vocab->types[n_tokens - 1] = uint8_t(fb::TokenType::Control);
  vocab->special = {n_tokens - 2, n_tokens - 1};  // the longer text first
  vocab->add_bos = true;
  sort_texts(texts, *vocab);
  return vocab;
}

}  // namespace sluice
