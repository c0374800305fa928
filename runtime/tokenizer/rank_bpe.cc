// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/rank_bpe.h"

#include "runtime/tokenizer/unicode.h"
#include "runtime/tokenizer/vocab_lookup.h"

namespace sluice {
namespace {
inline constexpr uint32_t kNoToken = ~0u;  // a byte without token, or a symbol that was merged into its left neighbour
}

bool RankBpe::take_whole(std::string_view word, std::vector<int32_t>& out) const {
  const uint32_t at = find_text(vocab_, word);
  if (at == vocab_.text_order()->size()) return false;
  out.push_back(int32_t(token_at(vocab_, at)));
  return true;
}

void RankBpe::encode_bytes(std::string_view word, std::vector<int32_t>& out) {
  if (vocab_.ignore_merges() && take_whole(word, out)) return;
  while (!word.empty()) {
    const std::string_view stretch = word.substr(0, kMaxMergeBytes);
    for (char c : stretch) add(vocab_.byte_tokens()->Get(uint8_t(c)));
    merge(out);
    word.remove_prefix(stretch.size());
  }
}

void RankBpe::encode_characters(std::string_view word, std::vector<int32_t>& out) {
  // The merges of such vocabularies leave runs of newlines apart although they are tokens.
  if (word[0] == '\n' && take_whole(word, out)) return;
  while (!word.empty()) {
    for (std::string_view rest = take_stretch(word); !rest.empty();) {
      const std::string_view character = rest.substr(0, utf8_length(rest));
      const uint32_t place = find_text(vocab_, character);
      if (place < vocab_.text_order()->size()) {
        add(int32_t(token_at(vocab_, place)));
      } else {
        for (char c : character) add(vocab_.byte_tokens()->Get(uint8_t(c)));
      }
      rest.remove_prefix(character.size());
    }
    merge(out);
  }
}

void RankBpe::add(int32_t token) {
  const uint32_t i = uint32_t(symbols_.size());
  if (i > 0) symbols_.back().next = i;
  symbols_.push_back({token < 0 ? kNoToken : uint32_t(token), i - 1, kNoSymbol});
}

void RankBpe::consider(uint32_t left) {
  uint32_t right = symbols_[left].next;
  if (right == kNoSymbol || symbols_[left].token == kNoToken || symbols_[right].token == kNoToken) return;
  uint32_t k = find_merge(vocab_, symbols_[left].token, symbols_[right].token);
  if (k < merge_count(vocab_)) pairs_.push({vocab_.merge_rank()->Get(k), left, k});
}

void RankBpe::merge(std::vector<int32_t>& out) {
  for (uint32_t i = 0; i + 1 < symbols_.size(); ++i) consider(i);
  while (!pairs_.empty()) {
    Pair pair = pairs_.pop();
    Symbol& left = symbols_[pair.left];
    if (left.token != vocab_.merge_left()->Get(pair.merge) || left.next == kNoSymbol) continue;
    Symbol& right = symbols_[left.next];
    if (right.token != vocab_.merge_right()->Get(pair.merge)) continue;
    left.token = vocab_.merge_result()->Get(pair.merge);
    left.next = right.next;
    right.token = kNoToken;
    if (left.next != kNoSymbol) symbols_[left.next].previous = pair.left;
    if (left.previous != kNoSymbol) consider(left.previous);
    consider(pair.left);
  }
  for (uint32_t i = 0; i < symbols_.size(); i = symbols_[i].next) {
    if (symbols_[i].token != kNoToken) out.push_back(int32_t(symbols_[i].token));
  }
  symbols_.clear();
}

}  // namespace sluice
