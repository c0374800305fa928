// SPDX-License-Identifier: Apache-2.0
#include "schema/text_order.h"

#include <string_view>

#include "schema/check.h"

namespace sluice {

namespace {

constexpr uint32_t kAhead = 32;  // tokens between asking for memory and using it

// The vocabulary's texts as plain pointers.
struct TextTable {
  const uint8_t* bytes;
  const uint32_t* offsets;
  uint32_t n_tokens;

  // The texts lie in another order than they are visited: asks for the offsets of a later token and the bytes of a
  // nearer one (whose offsets have arrived).
  void fetch(uint32_t later, uint32_t nearer) const {
    __builtin_prefetch(offsets + later);
    __builtin_prefetch(bytes + offsets[nearer]);
  }

  std::string_view operator[](uint32_t token) const {
    return {reinterpret_cast<const char*>(bytes) + offsets[token], offsets[token + 1] - offsets[token]};
  }
};

// The first two bytes as a big-endian number, missing ones as 0.
uint32_t bucket_of(std::string_view text) {
  const uint32_t first = text.empty() ? 0 : uint8_t(text[0]), second = text.size() < 2 ? 0 : uint8_t(text[1]);
  return first << 8 | second;
}

}  // namespace

Status verify_text_order(const SlmFile& file) {
  const fb::Vocab& vocab = *file.header()->vocab();
  const HeaderCheck check{*file.header(), file.preamble(), file.source()->name()};
  const TextTable texts{vocab.bytes()->data(), vocab.offsets()->data(), vocab.offsets()->size() - 1};
  // Strictly ascending by (text, id) and as many as there are tokens: a permutation.
  const uint32_t* order = vocab.text_order()->data();
  const uint32_t* buckets = vocab.text_buckets()->data();
  const uint32_t n_buckets = vocab.text_buckets()->size();
  uint32_t next_bucket = 0;
  std::string_view before;
  for (uint32_t i = 0; i < texts.n_tokens; ++i) {
    if (i + kAhead < texts.n_tokens) texts.fetch(order[i + kAhead], order[i + kAhead / 2]);
    const std::string_view text = texts[order[i]];
    const int after = i == 0 ? 1 : text.compare(before);
    if (after < 0 || (after == 0 && order[i] <= order[i - 1])) {
      return check.refuse("the look-up table is not sorted at token %u", order[i]);
    }
    for (const uint32_t bucket = bucket_of(text); next_bucket <= bucket; ++next_bucket) {
      if (buckets[next_bucket] != i) return check.refuse("bucket %u of the look-up table is wrong", next_bucket);
    }
    before = text;
  }
  for (; next_bucket < n_buckets; ++next_bucket) {
    if (buckets[next_bucket] != texts.n_tokens) {
      return check.refuse("bucket %u of the look-up table is wrong", next_bucket);
    }
  }
  return {};
}

}  // namespace sluice
