// SPDX-License-Identifier: Apache-2.0
// The rows that enter a matrix product: made by a prologue, or taken from the activations of an earlier phase.
#include <algorithm>
#include <cstring>

#include "backends/cpu/worker.h"

namespace sluice::cpu {

namespace {

// x_out of step row r, which is x itself without a branch.
const float* residual(const Kernels& k, const Prologue& p, uint32_t r, float* x_out) {
  const uint32_t d = p.d_model;
  const float* x = p.x + size_t(r) * d;
  if (!p.branch) return x;
  const float* y = p.branch + size_t(r) * d;
  if (p.post_norm) {
    k.normalize(y, k.inverse_rms(y, d, p.eps), p.post_norm, x_out, d);
    y = x_out;
  }
  k.add(x, y, x_out, d);
  return x_out;
}

// norm and quantization of one row into `row`, through `h` [d_model].
void finish_row(const Kernels& k, const Prologue& p, const float* x, float* h, uint32_t n_groups, bool int8,
                const QuantizedRow& row) {
  k.normalize(x, k.inverse_rms(x, p.d_model, p.eps), p.norm, h, p.d_model);
  if (int8) k.quantize(h, p.d_model, n_groups, row);
}

}  // namespace

Rows prologue(Worker& w, const Prologue& p, uint32_t n_step_rows, const uint32_t* index, uint32_t n, bool int8,
              bool floats) {
  const Kernels& k = w.kernels();
  const uint32_t n_groups = Activations::padded(p.d_model) / 32;
  if (n_step_rows == 1) {
    Rows rows = w.own().row;
    rows.n_rows = 1, rows.n_groups = n_groups, rows.stride = p.d_model;
    const float* x = residual(k, p, 0, w.own().x);
    if (p.branch && w.first()) std::memcpy(p.x_out, x, size_t(p.d_model) * sizeof(float));
    finish_row(k, p, x, rows.x, n_groups, int8, rows.row(0));
    return rows;
  }
  if (index && p.branch) {  // rows nobody asks for still owe their x_out
    w.share(n_step_rows, [&](uint32_t begin, uint32_t end) {
      for (uint32_t r = begin; r < end; ++r) residual(k, p, r, p.x_out + size_t(r) * p.d_model);
    });
  }
  Rows rows = w.shared().rows;
  rows.n_rows = n, rows.n_groups = n_groups, rows.stride = p.d_model;
  w.share(n, [&](uint32_t begin, uint32_t end) {
    for (uint32_t i = begin; i < end; ++i) {
      const uint32_t r = index ? index[i] : i;
      float* x_out = p.x_out + size_t(r) * p.d_model;
      const float* x = index && p.branch ? x_out : residual(k, p, r, x_out);
      finish_row(k, p, x, floats ? rows.x + size_t(i) * p.d_model : w.own().x, n_groups, int8, rows.row(i));
    }
  });
  return rows;
}

Rows load_rows(Worker& w, const Activations& in, uint32_t n_rows, bool float_weights) {
  Rows rows = w.shared().rows;
  rows.n_rows = n_rows, rows.n_groups = in.n_groups();
  rows.x = in.f32, rows.stride = in.cols;
  if (float_weights) return rows;
  if (n_rows == 1) {  // a panel of one row is the row
    rows.q = in.q8, rows.scale = in.scale, rows.sum16 = in.sum16;
    rows.scaled_sum = w.own().row.scaled_sum;
    w.kernels().scale_sums(in.scale, in.sum16, rows.scaled_sum, rows.n_groups);
    return rows;
  }
  w.share(n_rows, [&](uint32_t begin, uint32_t end) {
    for (uint32_t r = begin; r < end; ++r) {
      const QuantizedRow to = rows.row(r);
      const int8_t* q = in.q8 + size_t(r) * in.padded_cols();
      const float* scale = in.scale + size_t(r) * rows.n_groups;
      const int32_t* sum16 = in.sum16 + size_t(r) * rows.n_groups * 2;
      for (uint32_t g = 0; g < rows.n_groups; ++g) {
        std::memcpy(to.q + g * to.q_step, q + size_t(g) * 32, 32);
        to.scale[g * to.step] = scale[g];
        to.sum16[2 * g * to.step] = sum16[2 * g];
        to.sum16[2 * g * to.step + 1] = sum16[2 * g + 1];
        to.scaled_sum[g * to.step] = scale[g] * float(sum16[2 * g] + sum16[2 * g + 1]);
      }
    }
  });
  return rows;
}

void quantize_channels(Worker& w, const Activations& a, uint32_t row, uint32_t begin, uint32_t end) {
  const uint32_t group = begin / 32, n_groups = a.n_groups();
  const uint32_t last = end == a.cols ? n_groups : end / 32;
  if (last <= group) return;
  const QuantizedRow to{a.q8 + size_t(row) * a.padded_cols() + begin,
                        a.scale + size_t(row) * n_groups + group,
                        nullptr,
                        a.sum16 + 2 * (size_t(row) * n_groups + group),
                        32,
                        1,
                        nullptr};
  w.kernels().quantize(a.f32 + size_t(row) * a.cols + begin, end - begin, last - group, to);
}

Product::Product(const Worker& w, const Matrix& m, uint32_t k_begin, uint32_t k_end) : matrix(m) {
  const FormatId id = *format_id(*m.format);
  dot = w.kernels().dot[int(id)];
  float_weights = is_float(id);
  const uint32_t per = m.format->block_inputs;
  begin = k_begin / per;
  end = std::min(m.n_blocks(), k_end / per + (k_end % per != 0));
}

void Product::strip(uint32_t s, const Panel& panel, float* out) const {
  const WeightFormat& f = *matrix.format;
  dot({reinterpret_cast<const uint8_t*>(matrix.strip(s)), begin, end, f.has_table ? f.table : nullptr, f.zero_point},
      panel, out);
}

const SequenceRows& sequence_of(const StepRows& rows, uint32_t row) {
  for (const SequenceRows& s : rows.sequences)
    if (row < s.first_row + s.n_rows) return s;
  return rows.sequences.back();
}

}  // namespace sluice::cpu
