// SPDX-License-Identifier: Apache-2.0
// Q, K and V of a layer: one pass over the strips of the three matrices, then norm, rope and the cache, head by head.
#include <algorithm>

#include "backends/cpu/worker.h"

namespace sluice::cpu {

namespace {

// The rows [row_begin, row_end) of one of the three, and where they go.
struct Part {
  Part(const Worker& w, const Matrix& m, uint32_t begin, uint32_t end, float* to, const float* bias_values)
      : product(w, m),
        row_begin(begin),
        row_end(end),
        first_strip(begin / kStripRows),
        n_strips((end + kStripRows - 1) / kStripRows - begin / kStripRows),
        dest(to),
        bias(bias_values) {}

  void run(Worker& w, const Rows& rows, uint32_t strip) const {
    const uint32_t strip_row = strip * kStripRows;
    const uint32_t begin = std::max(strip_row, row_begin), end = std::min(strip_row + kStripRows, row_end);
    float* out = w.own().rows16;
    for (uint32_t i = 0; i < rows.n_panels(); ++i) {
      const Panel panel = rows.panel(i);
      product.strip(strip, panel, out);
      for (uint32_t c = 0; c < panel.width; ++c) {
        float* to = dest + size_t(i * kPanelColumns + c) * product.matrix.rows + begin;
        if (begin == strip_row) {
          w.kernels().store(to, out + c * kLanes, bias ? bias + begin : nullptr, false, end - begin);
        } else {  // a head that begins inside a strip; store() reads whole lanes
          for (uint32_t r = begin; r < end; ++r) {
            const float v = out[c * kLanes + r - strip_row];
            to[r - begin] = bias ? v + bias[r] : v;
          }
        }
      }
    }
  }

  Product product;
  uint32_t row_begin, row_end, first_strip, n_strips;
  float* dest;
  const float* bias;
};

void norm_and_rope(Worker& w, const QkvPhase& p, const float* norm, uint32_t row, float* head) {
  const Kernels& k = w.kernels();
  if (norm) k.normalize(head, k.inverse_rms(head, p.head_dim, p.in.eps), norm, head, p.head_dim);
  const size_t angles = size_t(row) * p.rope.half;
  if (p.rope.half) k.rope(head, p.rope.cos + angles, p.rope.sin + angles, p.rope.half);
}

void finish_head_group(Worker& w, const StepRows& rows, const QkvPhase& p, uint32_t row, uint32_t group) {
  const uint32_t d = p.head_dim, heads = p.n_heads / p.n_kv_heads;
  for (uint32_t h = group * heads; h < (group + 1) * heads; ++h)
    norm_and_rope(w, p, p.q_norm, row, p.q + (size_t(row) * p.n_heads + h) * d);
  float* key = w.shared().k + (size_t(row) * p.n_kv_heads + group) * d;
  const float* value = w.shared().v + (size_t(row) * p.n_kv_heads + group) * d;
  norm_and_rope(w, p, p.k_norm, row, key);

  const SequenceRows& seq = sequence_of(rows, row);
  const KvLayer& layer = seq.layers[p.layer];
  const uint32_t slot = seq.pos + (row - seq.first_row), n_groups = (d + 31) / 32, dim4 = (d + 3) / 4;
  const size_t strip = size_t(group) * (seq.n_slots / 16) + slot / 16, place = size_t(group) * seq.n_slots + slot;
  w.kernels().write_key(key, d, reinterpret_cast<int8_t*>(layer.keys) + strip * dim4 * 64,
                        layer.key_scales + strip * n_groups * 16, slot % 16);
  w.kernels().write_value(value, d, reinterpret_cast<int8_t*>(layer.values) + place * d, layer.value_scales + place);
}

}  // namespace

void qkv(Worker& w, const StepRows& step, const QkvPhase& p) {
  const uint32_t begin = p.groups.begin, end = std::min(p.groups.end, p.n_kv_heads);
  if (begin >= end) return;
  const uint32_t kv = p.head_dim, q = p.n_heads / p.n_kv_heads * p.head_dim;
  const Part parts[3] = {{w, p.wq, begin * q, end * q, p.q, p.q_bias},
                         {w, p.wk, begin * kv, end * kv, w.shared().k, p.k_bias},
                         {w, p.wv, begin * kv, end * kv, w.shared().v, p.v_bias}};
  bool int8 = false, floats = false;
  uint32_t n_strips = 0;
  for (const Part& part : parts) {
    (part.product.float_weights ? floats : int8) = true;
    n_strips += part.n_strips;
  }
  const Rows rows = prologue(w, p.in, step.n_rows, nullptr, step.n_rows, int8, floats);
  w.share(n_strips, [&](uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; ++i) {
      uint32_t s = i;
      const Part* part = parts;
      while (s >= part->n_strips) s -= part->n_strips, ++part;
      part->run(w, rows, part->first_strip + s);
    }
  });
  const uint32_t n_groups = end - begin;
  w.share(step.n_rows * n_groups, [&](uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; ++i) finish_head_group(w, step, p, i / n_groups, begin + i % n_groups);
  });
}

}  // namespace sluice::cpu
