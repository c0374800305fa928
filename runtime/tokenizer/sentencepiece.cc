// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/sentencepiece.h"

#include <algorithm>
#include <cmath>

#include "runtime/tokenizer/unicode.h"
#include "runtime/tokenizer/vocab_lookup.h"

namespace sluice {

void SentencePiece::encode(std::string_view text, std::vector<int32_t>& out) {
  while (!text.empty()) merge(take_stretch(text), out);
}

void SentencePiece::consider(uint32_t left) {
  const Symbol& a = symbols_[left];
  if (a.next == kNoSymbol) return;
  uint32_t size = a.size + symbols_[a.next].size;
  const int32_t token = find_plain(vocab_, text_.substr(a.begin, size));
  if (token < 0) return;
  const float score = vocab_.scores()->Get(uint32_t(token));
  pairs_.push({std::isnan(score) ? -INFINITY : score, left, size});
}

void SentencePiece::merge(std::string_view text, std::vector<int32_t>& out) {
  text_ = text;
  symbols_.clear();
  for (size_t at = 0; at < text.size();) {
    size_t n = utf8_length(text.substr(at));
    uint32_t i = uint32_t(symbols_.size());
    bool last = at + n == text.size();
    symbols_.push_back({uint32_t(at), uint32_t(n), i - 1, last ? kNoSymbol : i + 1});
    at += n;
  }
  for (uint32_t i = 0; i + 1 < symbols_.size(); ++i) consider(i);
  while (!pairs_.empty()) {
    Pair pair = pairs_.pop();
    Symbol& left = symbols_[pair.left];
    if (left.size == 0 || left.next == kNoSymbol) continue;
    Symbol& right = symbols_[left.next];
    if (left.size + right.size != pair.size) continue;
    left.size = pair.size;
    left.next = right.next;
    right.size = 0;
    if (left.next != kNoSymbol) symbols_[left.next].previous = pair.left;
    if (left.previous != kNoSymbol) consider(left.previous);
    consider(pair.left);
  }
  size_t unknown_from = text.size();  // start of the run of symbols that are no tokens
  for (uint32_t i = 0; i < symbols_.size(); i = symbols_[i].next) {
    const Symbol& symbol = symbols_[i];
    const int32_t token = find_plain(vocab_, text.substr(symbol.begin, symbol.size));
    if (token < 0) {
      unknown_from = std::min<size_t>(unknown_from, symbol.begin);
      continue;
    }
    if (unknown_from < symbol.begin)
      append_unknown(vocab_, text.substr(unknown_from, symbol.begin - unknown_from), out);
    unknown_from = text.size();
    out.push_back(token);
  }
  if (unknown_from < text.size()) append_unknown(vocab_, text.substr(unknown_from), out);
}

}  // namespace sluice
