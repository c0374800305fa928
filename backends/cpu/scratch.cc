// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/scratch.h"

#include <algorithm>

#include "base/checked.h"

namespace sluice::cpu {

namespace {

class Layout {
 public:
  explicit Layout(std::byte* base) : base_(base) {}

  template <class T>
  T* take(uint64_t n) {
    T* p = base_ ? reinterpret_cast<T*>(base_ + bytes_) : nullptr;
    bytes_ += round_up(n * sizeof(T), 64);
    return p;
  }
  // Threads' parts begin on pages of their own, so that no line is shared.
  void next_page() { bytes_ = round_up(bytes_, 4096); }
  uint64_t bytes() const { return bytes_; }

 private:
  std::byte* base_;
  uint64_t bytes_ = 0;
};

Rows take_rows(Layout& layout, uint64_t n_rows, uint64_t n_groups) {
  Rows rows;
  rows.q = layout.take<int8_t>(n_rows * n_groups * 32);
  rows.scale = layout.take<float>(n_rows * n_groups);
  rows.scaled_sum = layout.take<float>(n_rows * n_groups);
  rows.sum16 = layout.take<int32_t>(n_rows * n_groups * 2);
  return rows;
}

}  // namespace

Panel Rows::panel(uint32_t i) const {
  const uint32_t first = i * kPanelColumns;
  const size_t at = size_t(first) * n_groups;
  return {q + at * 32,
          scale + at,
          scaled_sum + at,
          sum16 + 2 * at,
          x + first * stride,
          stride,
          std::min(kPanelColumns, n_rows - first),
          q_low ? q_low + at * 32 : nullptr};
}

QuantizedRow Rows::row(uint32_t r) const {
  const uint32_t first = r / kPanelColumns * kPanelColumns, width = std::min(kPanelColumns, n_rows - first);
  const size_t at = size_t(first) * n_groups + (r - first);
  return {q + at * 32,
          scale + at,
          scaled_sum + at,
          sum16 + 2 * at,
          size_t(width) * 32,
          width,
          q_low ? q_low + at * 32 : nullptr};
}

uint64_t lay_out(const StepLimits& limits, uint32_t n_threads, std::byte* base, Scratch* scratch) {
  Layout layout(base);
  const uint64_t n_rows = std::max(limits.max_rows, limits.max_out_rows);
  const uint32_t cols = std::max({limits.d_model, limits.max_cols, limits.max_heads_dim});
  const uint64_t groups = Activations::padded(cols) / 32;
  const uint64_t head_groups = (uint64_t{limits.max_head_dim} + 31) / 32;

  Scratch s;
  s.threads = layout.take<ThreadScratch>(n_threads);
  s.rows = take_rows(layout, n_rows, groups);
  s.rows.x = layout.take<float>(n_rows * limits.d_model);
  s.k = layout.take<float>(n_rows * limits.max_kv_heads_dim);
  s.v = layout.take<float>(n_rows * limits.max_kv_heads_dim);
  s.max_blocks = uint32_t((uint64_t{limits.n_ctx} + kKvBlockSlots - 1) / kKvBlockSlots);
  const uint64_t n_partials = std::min<uint64_t>(n_rows, kSplitRows) * limits.max_heads * s.max_blocks;
  s.partials.max = layout.take<float>(n_partials);
  s.partials.sum = layout.take<float>(n_partials);
  s.partials.out = layout.take<float>(n_partials * limits.max_head_dim);
  for (uint32_t t = 0; t < n_threads; ++t) {
    layout.next_page();
    ThreadScratch own{};
    own.row = take_rows(layout, 1, groups);
    own.row.x = layout.take<float>(limits.d_model);
    own.x = layout.take<float>(limits.d_model);
    own.rows16 = layout.take<float>(4 * kPanelColumns * kLanes);
    own.q = take_rows(layout, kPanelColumns, head_groups);
    own.q.q_low = layout.take<int8_t>(kPanelColumns * head_groups * 32);
    own.weights = layout.take<float>(kPanelColumns * kKvBlockSlots);
    own.out = layout.take<float>(kPanelColumns * uint64_t{limits.max_head_dim});
    own.next = layout.take<float>(kPanelColumns * uint64_t{limits.max_head_dim});
    own.max = layout.take<float>(kPanelColumns);
    own.sum = layout.take<float>(kPanelColumns);
    own.next_max = layout.take<float>(kPanelColumns);
    own.next_sum = layout.take<float>(kPanelColumns);
    if (base) s.threads[t] = own;
  }
  if (scratch) *scratch = s;
  return layout.bytes();
}

}  // namespace sluice::cpu
