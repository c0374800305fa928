// SPDX-License-Identifier: Apache-2.0
// Merges as scores, and the table of tokens that both need.
#include <algorithm>
#include <bit>
#include <limits>
#include <random>
#include <span>

#include "base/hash.h"
#include "converter/hf_tokenizer.h"

namespace sluice {

// The multiplier differs from run to run, so that no file can choose texts that meet in one slot.
HfTokens::HfTokens() : multiplier_(uint64_t{std::random_device{}()} << 32 | std::random_device{}() | 1) {}

size_t HfTokens::slot_of(std::string_view text) const {
  return size_t(hash64(std::as_bytes(std::span(text))) * multiplier_ >> (64 - std::countr_zero(slots_.size())));
}

bool HfTokens::set(uint32_t id, std::string_view text) {
  if (has(id)) return this->text(id) == text;
  if (id >= size()) places_.resize(size_t(id) + 1);
  places_[id] = {uint32_t(texts_.size()), uint32_t(text.size())};
  texts_.append(text);
  return true;
}

std::string_view HfTokens::text(uint32_t id) const {
  return std::string_view(texts_).substr(places_[id].begin, places_[id].size);
}

void HfTokens::index() {
  size_t n = 16;
  while (n < 2 * places_.size()) n *= 2;
  slots_.assign(n, 0);
  for (uint32_t id = 0; id < size(); ++id) {
    if (!has(id)) continue;
    size_t at = slot_of(text(id));
    while (slots_[at] != 0 && text(slots_[at] - 1) != text(id)) at = (at + 1) & (n - 1);
    if (slots_[at] == 0) slots_[at] = id + 1;
  }
}

int32_t HfTokens::find(std::string_view wanted) const {
  if (slots_.empty()) return -1;
  const size_t mask = slots_.size() - 1;
  for (size_t at = slot_of(wanted); slots_[at] != 0; at = (at + 1) & mask) {
    if (text(slots_[at] - 1) == wanted) return int32_t(slots_[at] - 1);
  }
  return -1;
}

void MergeOrder::add(std::string_view left, std::string_view right) {
  joined_.assign(left).append(right);
  const int32_t result = tokens_.find(joined_);
  if (result < 0 || tokens_.find(left) < 0 || tokens_.find(right) < 0) return;  // read_merges says so
  if (result != result_) {
    if (scores_[size_t(result)] != kNoMerge) {
      regular_ = false;
      return;
    }
    result_ = result;
    scores_[size_t(result)] = -float(n_results_++);
  }
  uint16_t& n = n_merges_[size_t(result)];
  n = uint16_t(std::min<int>(n + 1, std::numeric_limits<uint16_t>::max()));
}

// Every way to split a token into two must be among its merges, and none where it has no merge.
bool MergeOrder::is_order_of_results(const std::vector<bool>& apart) {
  for (uint32_t id = 0; regular_ && id < tokens_.size(); ++id) {
    if (!tokens_.has(id) || apart[id]) continue;
    const std::string_view text = tokens_.text(id);
    uint32_t n = 0;
    regular_ = text.size() <= kMaxHfComparedBytes;
    for (size_t i = 1; regular_ && i < text.size(); ++i) {
      if ((uint8_t(text[i]) & 0xc0) == 0x80) continue;
      n += tokens_.find(text.substr(0, i)) >= 0 && tokens_.find(text.substr(i)) >= 0;
      regular_ = n <= n_merges_[id];
    }
    regular_ = regular_ && n == n_merges_[id];
  }
  return regular_;
}

}  // namespace sluice
