// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/vocab_lookup.h"

#include <algorithm>

namespace sluice {

uint32_t find_text(const fb::Vocab& vocab, std::string_view text) {
  uint32_t none = vocab.text_order()->size();
  if (text.empty()) return none;
  uint32_t bucket = uint32_t(uint8_t(text[0])) << 8 | (text.size() > 1 ? uint8_t(text[1]) : 0);
  const uint32_t* order = vocab.text_order()->data();
  const uint32_t* begin = order + vocab.text_buckets()->Get(bucket);
  const uint32_t* end = order + vocab.text_buckets()->Get(bucket + 1);
  const uint32_t* at =
      std::lower_bound(begin, end, text, [&](uint32_t t, std::string_view s) { return token_text(vocab, t) < s; });
  return at != end && token_text(vocab, *at) == text ? uint32_t(at - order) : none;
}

int32_t find_plain(const fb::Vocab& vocab, std::string_view text) {
  for (uint32_t at = find_text(vocab, text); at < vocab.text_order()->size(); ++at) {
    const uint32_t token = token_at(vocab, at);
    if (token_text(vocab, token) != text) break;
    const fb::TokenType type = token_type(vocab, token);
    if (type != fb::TokenType::Control && type != fb::TokenType::Unknown && type != fb::TokenType::Byte)
      return int32_t(token);
  }
  return -1;
}

void append_unknown(const fb::Vocab& vocab, std::string_view run, std::vector<int32_t>& out) {
  const auto token_of = [&](char c) { return vocab.byte_tokens()->Get(uint8_t(c)); };
  if (std::all_of(run.begin(), run.end(), [&](char c) { return token_of(c) >= 0; })) {
    for (char c : run) out.push_back(token_of(c));
  } else if (vocab.unk() >= 0) {
    out.push_back(vocab.unk());
  }
}

uint32_t PrefixWalk::place_of(uint32_t byte) const {
  const uint32_t* order = vocab_.text_order()->data();
  return uint32_t(std::partition_point(order + low_, order + high_,
                                       [&](uint32_t token) {
                                         const std::string_view text = token_text(vocab_, token);
                                         return text.size() <= length_ || uint8_t(text[length_]) < byte;
                                       }) -
                  order);
}

bool PrefixWalk::extend(uint8_t byte) {
  if (length_ == 0) {  // the buckets know the places of two bytes
    low_ = vocab_.text_buckets()->Get(uint32_t(byte) << 8);
    high_ = vocab_.text_buckets()->Get((uint32_t(byte) + 1) << 8);
  } else if (high_ - low_ == 1) {  // one token is left
    const std::string_view text = token_text(vocab_, vocab_.text_order()->Get(low_));
    if (text.size() <= length_ || uint8_t(text[length_]) != byte) high_ = low_;
  } else {
    low_ = place_of(byte);
    high_ = place_of(uint32_t(byte) + 1);
  }
  ++length_;
  return low_ < high_;
}

int32_t PrefixWalk::token() const {
  const uint32_t token = vocab_.text_order()->Get(low_);
  return token_text(vocab_, token).size() == length_ ? int32_t(token) : -1;
}

uint32_t merge_count(const fb::Vocab& vocab) { return vocab.merge_left() ? vocab.merge_left()->size() : 0; }

uint32_t find_merge(const fb::Vocab& vocab, uint32_t left, uint32_t right) {
  uint32_t n = merge_count(vocab), low = 0, high = n;
  if (n == 0) return n;
  const uint32_t* lefts = vocab.merge_left()->data();
  const uint32_t* rights = vocab.merge_right()->data();
  uint64_t key = uint64_t(left) << 32 | right;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if ((uint64_t(lefts[middle]) << 32 | rights[middle]) < key) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < n && lefts[low] == left && rights[low] == right ? low : n;
}

}  // namespace sluice
