// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <vector>

#include "schema/charsmap.h"
#include "schema/check.h"

namespace sluice {

namespace {

constexpr uint32_t kBuckets = 65537;
constexpr uint32_t kByteTokens = 256;

// Loops over all tokens are written without branches, so that they vectorize: they are most of what opening a model
// with a large vocabulary computes.

// The vocabulary's fields as plain pointers, once their lengths have been checked.
struct Texts {
  const uint8_t* bytes;
  const uint32_t* offsets;
  uint32_t n_tokens;

  std::string_view operator[](uint32_t token) const {
    return {reinterpret_cast<const char*>(bytes) + offsets[token], offsets[token + 1] - offsets[token]};
  }
};

bool in_special(uint8_t type) {
  const auto t = fb::TokenType(type);
  return (t == fb::TokenType::Control) | (t == fb::TokenType::UserDefined) | (t == fb::TokenType::Unknown);
}

Status check_texts(const HeaderCheck& check, const fb::Vocab& vocab) {
  const uint32_t n_offsets = size_of(vocab.offsets()), n_bytes = size_of(vocab.bytes());
  if (n_offsets < 2 || n_offsets - 1 > kMaxVocab) {
    return check.refuse("the vocabulary has %u offsets, 2 to %u are allowed", n_offsets, kMaxVocab + 1);
  }
  const uint32_t* offsets = vocab.offsets()->data();
  if (offsets[0] != 0 || offsets[n_offsets - 1] != n_bytes) {
    return check.refuse("token texts run from byte %u to %u of %u", offsets[0], offsets[n_offsets - 1], n_bytes);
  }
  // A difference below 0 wraps around.
  const auto length = [&](uint32_t i) { return offsets[i + 1] - offsets[i]; };
  uint32_t longest = 0;
  for (uint32_t i = 0; i + 1 < n_offsets; ++i) longest = std::max(longest, length(i));
  const uint32_t most = vocab.kind() == fb::VocabKind::Unigram ? kMaxUnigramBytes : kMaxTokenBytes;
  if (longest > most) {
    uint32_t i = 0;
    while (length(i) <= most) ++i;
    return check.refuse("the text of token %u runs from byte %u to %u", i, offsets[i], offsets[i + 1]);
  }
  if (vocab.bytes() == nullptr) return check.refuse("the vocabulary has no texts");
  return {};
}

Status check_types(const HeaderCheck& check, const fb::Vocab& vocab, uint32_t n_tokens) {
  if (uint8_t(vocab.kind()) > uint8_t(fb::VocabKind::MAX)) {
    return check.refuse("unknown kind of vocabulary %d", int(vocab.kind()));
  }
  if (size_of(vocab.types()) != n_tokens) {
    return check.refuse("%u token types for %u tokens", size_of(vocab.types()), n_tokens);
  }
  const uint8_t* types = vocab.types()->data();
  const auto unknown = [](uint8_t type) {
    return uint8_t(type - uint8_t(fb::TokenType::MIN)) > uint8_t(fb::TokenType::MAX) - uint8_t(fb::TokenType::MIN);
  };
  uint32_t n_unknown = 0;
  for (uint32_t i = 0; i < n_tokens; ++i) n_unknown += unknown(types[i]);
  if (n_unknown != 0) {
    const uint8_t* wrong = std::find_if(types, types + n_tokens, unknown);
    return check.refuse("token %u has the unknown type %d", uint32_t(wrong - types), *wrong);
  }
  const uint32_t n_scores = size_of(vocab.scores());
  if (n_scores != n_tokens && (n_scores != 0 || vocab.kind() != fb::VocabKind::ByteBpe)) {
    return check.refuse("%u scores for %u tokens", n_scores, n_tokens);
  }
  const float* scores = n_scores != 0 ? vocab.scores()->data() : nullptr;
  uint32_t n_finite = 0;
  for (uint32_t i = 0; i < n_scores; ++i) n_finite += std::fabs(scores[i]) <= std::numeric_limits<float>::max();
  if (n_finite != n_scores) {
    const float* wrong = std::find_if(scores, scores + n_scores, [](float s) { return !std::isfinite(s); });
    return check.refuse("the score of token %u is not a number", uint32_t(wrong - scores));
  }
  return {};
}

// Whatever they hold, a look-up by these tables stays inside the vocabulary. Whether it finds the right token is
// verify_text_order's question.
Status check_text_order(const HeaderCheck& check, const fb::Vocab& vocab, uint32_t n_tokens) {
  if (size_of(vocab.text_order()) != n_tokens || size_of(vocab.text_buckets()) != kBuckets) {
    return check.refuse("the look-up table has %u of %u tokens and %u of %u buckets", size_of(vocab.text_order()),
                        n_tokens, size_of(vocab.text_buckets()), kBuckets);
  }
  const uint32_t* order = vocab.text_order()->data();
  const uint32_t* buckets = vocab.text_buckets()->data();
  const uint32_t largest = *std::max_element(order, order + n_tokens);
  if (largest >= n_tokens) return check.refuse("the look-up table names token %u", largest);
  if (buckets[kBuckets - 1] != n_tokens || !std::is_sorted(buckets, buckets + kBuckets)) {
    return check.refuse("the buckets of the look-up table do not run up to %u", n_tokens);
  }
  return {};
}

Status check_merges(const HeaderCheck& check, const fb::Vocab& vocab, uint32_t n_tokens) {
  const uint32_t n = size_of(vocab.merge_left());
  if (n > kMaxMerges || size_of(vocab.merge_right()) != n || size_of(vocab.merge_rank()) != n ||
      size_of(vocab.merge_result()) != n) {
    return check.refuse("the merge table's columns have %u, %u, %u and %u entries", n, size_of(vocab.merge_right()),
                        size_of(vocab.merge_rank()), size_of(vocab.merge_result()));
  }
  if (n == 0) return {};
  const uint32_t *left = vocab.merge_left()->data(), *right = vocab.merge_right()->data();
  const uint32_t* result = vocab.merge_result()->data();
  for (uint32_t i = 0; i < n; ++i) {
    if (left[i] >= n_tokens || right[i] >= n_tokens || result[i] >= n_tokens) {
      return check.refuse("merge %u names token %u of %u", i, std::max({left[i], right[i], result[i]}), n_tokens);
    }
    if (i != 0 && (left[i] < left[i - 1] || (left[i] == left[i - 1] && right[i] <= right[i - 1]))) {
      return check.refuse("the merge table is not sorted at entry %u", i);
    }
  }
  return {};
}

Status check_special(const HeaderCheck& check, const fb::Vocab& vocab, const Texts& texts) {
  const uint8_t* types = vocab.types()->data();
  uint32_t expected = 0;
  for (uint32_t i = 0; i < texts.n_tokens; ++i) {
    expected += unsigned(in_special(types[i])) & unsigned(texts.offsets[i + 1] != texts.offsets[i]);
  }
  const uint32_t n = size_of(vocab.special());
  if (n != expected) return check.refuse("%u special tokens are listed, there are %u", n, expected);
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t token = vocab.special()->Get(i);
    if (token >= texts.n_tokens || !in_special(types[token]) || texts[token].empty()) {
      return check.refuse("token %u is listed as special but is not", token);
    }
    if (i == 0) continue;
    const uint32_t before = vocab.special()->Get(i - 1);
    const size_t a = texts[before].size(), b = texts[token].size();
    if (a < b || (a == b && before >= token))
      return check.refuse("the special tokens are not sorted at token %u", token);
  }
  return {};
}

Status check_ids(const HeaderCheck& check, const fb::Vocab& vocab, uint32_t n_tokens) {
  const auto valid = [&](int32_t id) { return id >= -1 && id < int64_t{n_tokens}; };
  if (!valid(vocab.bos()) || !valid(vocab.eos()) || !valid(vocab.unk()) || !valid(vocab.pad())) {
    return check.refuse("bos %d, eos %d, unk %d and pad %d must be -1 or one of %u tokens", vocab.bos(), vocab.eos(),
                        vocab.unk(), vocab.pad(), n_tokens);
  }
  if (size_of(vocab.byte_tokens()) != kByteTokens) {
    return check.refuse("%u tokens for single bytes, 256 are needed", size_of(vocab.byte_tokens()));
  }
  for (int32_t id : *vocab.byte_tokens()) {
    if (!valid(id)) return check.refuse("token %d for a single byte, there are %u tokens", id, n_tokens);
  }
  struct List {
    const flatbuffers::Vector<uint32_t>* ids;
    const char* name;
  };
  for (const List& list : {List{vocab.end_of_generation(), "end-of-generation"},
                           {vocab.strip_left(), "left-stripping"},
                           {vocab.strip_right(), "right-stripping"}}) {
    for (uint32_t i = 0; i < size_of(list.ids); ++i) {
      if (list.ids->Get(i) >= n_tokens || (i != 0 && list.ids->Get(i) <= list.ids->Get(i - 1))) {
        return check.refuse("the %s tokens are not ascending or beyond %u tokens", list.name, n_tokens);
      }
    }
  }
  return {};
}

Status check_charsmap(const HeaderCheck& check, const fb::Vocab& vocab) {
  if (size_of(vocab.charsmap()) == 0) return {};
  const Result<Charsmap> map =
      Charsmap::of({reinterpret_cast<const char*>(vocab.charsmap()->data()), vocab.charsmap()->size()});
  return map.ok() ? Status() : check.refuse("the character map is broken: %s", map.error().message.c_str());
}

}  // namespace

Status check_vocab(const HeaderCheck& check) {
  const fb::Vocab* vocab = check.header.vocab();
  if (vocab == nullptr) return check.refuse("there is no vocabulary");
  SLUICE_DO(check_texts(check, *vocab));
  const Texts texts{vocab->bytes()->data(), vocab->offsets()->data(), vocab->offsets()->size() - 1};
  if (const fb::Config* config = check.header.config(); config != nullptr && config->n_vocab() != texts.n_tokens) {
    return check.refuse("%u tokens, but the configuration says %u", texts.n_tokens, config->n_vocab());
  }
  if (size_of(vocab->pre()) > kMaxNameBytes) return check.refuse("the pre-tokenizer's name is too long");
  SLUICE_DO(check_types(check, *vocab, texts.n_tokens));
  SLUICE_DO(check_text_order(check, *vocab, texts.n_tokens));
  SLUICE_DO(check_merges(check, *vocab, texts.n_tokens));
  SLUICE_DO(check_special(check, *vocab, texts));
  SLUICE_DO(check_charsmap(check, *vocab));
  return check_ids(check, *vocab, texts.n_tokens);
}

}  // namespace sluice
