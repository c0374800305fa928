// SPDX-License-Identifier: Apache-2.0
// What the merging tokenizers share: symbols as a linked list in an array, and a heap of candidate pairs. Entries go
// stale when one of their symbols merged with another; the tokenizer recognizes that when it takes them out.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

namespace sluice {

inline constexpr uint32_t kNoSymbol = ~0u;

// Texts are merged in stretches of at most this many bytes, so that positions fit 32 bits.
inline constexpr size_t kMaxMergeBytes = size_t{1} << 30;

// Takes such a stretch, whole characters, from valid UTF-8.
inline std::string_view take_stretch(std::string_view& text) {
  size_t n = text.size();
  if (n > kMaxMergeBytes) {
    n = kMaxMergeBytes;
    while ((uint8_t(text[n]) & 0xC0) == 0x80) --n;
  }
  const std::string_view stretch = text.substr(0, n);
  text.remove_prefix(n);
  return stretch;
}

template <class Entry>  // Entry::after(other): must come out later
class MergeQueue {
 public:
  bool empty() const { return heap_.empty(); }
  uint64_t n_pushed() const { return n_pushed_; }
  void push(const Entry& entry) {
    ++n_pushed_;
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  Entry pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    Entry entry = heap_.back();
    heap_.pop_back();
    return entry;
  }

 private:
  static bool later(const Entry& a, const Entry& b) { return a.after(b); }
  std::vector<Entry> heap_;
  uint64_t n_pushed_ = 0;
};

}  // namespace sluice
