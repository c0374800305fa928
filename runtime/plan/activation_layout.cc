// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan/activation_layout.h"

#include <algorithm>

#include "backends/backend.h"
#include "base/accountant.h"
#include "base/checked.h"

namespace sluice {
namespace {

class Arena {
 public:
  uint64_t take(uint64_t bytes) {
    const uint64_t at = next_;
    next_ = round_up(next_ + bytes, 64);
    return at;
  }
  uint64_t total() const { return next_; }

 private:
  uint64_t next_ = 0;
};

ActivationLayout::Quantized take_quantized(Arena& arena, uint64_t rows, uint32_t cols) {
  const uint64_t padded = Activations::padded(cols), groups = padded / Activations::kGroup;
  ActivationLayout::Quantized q;
  q.f32 = arena.take(rows * cols * sizeof(float));
  q.q8 = arena.take(rows * padded);
  q.scale = arena.take(rows * groups * sizeof(float));
  q.sum16 = arena.take(rows * groups * 2 * sizeof(int32_t));
  return q;
}

}  // namespace

ActivationLayout activation_layout(const ModelShape& shape, uint32_t max_rows) {
  uint32_t max_heads_dim = 0, max_d_ff = 0;
  for (const LayerShape& layer : shape.layers) {
    max_heads_dim = std::max(max_heads_dim, layer.n_heads * layer.head_dim);
    max_d_ff = std::max(max_d_ff, layer.d_ff);
  }
  const uint64_t rows = max_rows, stream = rows * shape.d_model * sizeof(float);
  Arena arena;
  ActivationLayout layout;
  layout.x[0] = arena.take(stream);
  layout.x[1] = shape.has_post_norms ? arena.take(stream) : layout.x[0];
  if (shape.has_post_norms) layout.branch = arena.take(stream);
  layout.q = arena.take(rows * max_heads_dim * sizeof(float));
  layout.attended = take_quantized(arena, rows, max_heads_dim);
  layout.ffn = take_quantized(arena, rows, max_d_ff);
  for (uint32_t half : shape.rope_halves) {
    layout.rope_cos.push_back(arena.take(rows * half * sizeof(float)));
    layout.rope_sin.push_back(arena.take(rows * half * sizeof(float)));
  }
  layout.total = block_bytes(arena.total());
  return layout;
}

}  // namespace sluice
