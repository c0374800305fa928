// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/byte_bpe.h"

#include "runtime/tokenizer/vocab_lookup.h"

namespace sluice {
namespace {
inline constexpr uint32_t kNoToken = ~0u;  // a byte without token, or a symbol that was merged into its left neighbour
}

void ByteBpe::encode(std::string_view word, std::vector<int32_t>& out) {
  if (vocab_.ignore_merges()) {
    uint32_t at = find_text(vocab_, word);
    if (at < vocab_.text_order()->size()) {
      out.push_back(int32_t(token_at(vocab_, at)));
      return;
    }
  }
  for (; word.size() > kMaxMergeBytes; word.remove_prefix(kMaxMergeBytes)) merge(word.substr(0, kMaxMergeBytes), out);
  merge(word, out);
}

void ByteBpe::consider(uint32_t left) {
  uint32_t right = symbols_[left].next;
  if (right == kNoSymbol || symbols_[left].token == kNoToken || symbols_[right].token == kNoToken) return;
  uint32_t k = find_merge(vocab_, symbols_[left].token, symbols_[right].token);
  if (k < merge_count(vocab_)) pairs_.push({vocab_.merge_rank()->Get(k), left, k});
}

void ByteBpe::merge(std::string_view word, std::vector<int32_t>& out) {
  symbols_.clear();
  uint32_t n = uint32_t(word.size());
  for (uint32_t i = 0; i < n; ++i) {
    int32_t token = vocab_.byte_tokens()->Get(uint8_t(word[i]));
    symbols_.push_back({token < 0 ? kNoToken : uint32_t(token), i - 1, i + 1 < n ? i + 1 : kNoSymbol});
  }
  for (uint32_t i = 0; i + 1 < n; ++i) consider(i);
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
  for (uint32_t i = 0; i < n && i != kNoSymbol; i = symbols_[i].next) {
    if (symbols_[i].token != kNoToken) out.push_back(int32_t(symbols_[i].token));
  }
}

}  // namespace sluice
