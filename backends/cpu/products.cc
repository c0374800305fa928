// SPDX-License-Identifier: Apache-2.0
// The phases that are one matrix product and an epilogue: output projection, gate and up, head.
#include <algorithm>
#include <cstring>

#include "backends/cpu/worker.h"

namespace sluice::cpu {

void project(Worker& w, const StepRows& step, const ProjectPhase& p) {
  const uint32_t begin = p.strips.begin, end = std::min(p.strips.end, p.w.n_strips());
  if (begin >= end) return;
  const Product product(w, p.w, p.k_begin, p.k_end);
  const Rows rows = load_rows(w, p.in, step.n_rows, product.float_weights);
  w.share(end - begin, [&](uint32_t from, uint32_t to) {
    float* out = w.own().rows16;
    for (uint32_t s = begin + from; s < begin + to; ++s) {
      const uint32_t row = s * kStripRows, n = std::min(kStripRows, p.w.rows - row);
      for (uint32_t i = 0; i < rows.n_panels(); ++i) {
        const Panel panel = rows.panel(i);
        product.strip(s, panel, out);
        for (uint32_t c = 0; c < panel.width; ++c)
          w.kernels().store(p.dest + size_t(i * kPanelColumns + c) * p.w.rows + row, out + c * kLanes,
                            p.bias ? p.bias + row : nullptr, p.accumulate, n);
      }
    }
  });
}

void gate_up(Worker& w, const StepRows& step, const GateUpPhase& p) {
  const uint32_t d_ff = p.gate.rows;
  const uint32_t begin = p.strips.begin / 2, end = (std::min(p.strips.end, p.gate.n_strips()) + 1) / 2;  // pairs
  const Product gate(w, p.gate), up(w, p.up);
  const Rows rows = prologue(w, p.in, step.n_rows, nullptr, step.n_rows, !gate.float_weights || !up.float_weights,
                             gate.float_weights || up.float_weights);
  if (begin >= end) return;
  const auto act = p.activation == Activation::kSilu ? w.kernels().gate_silu : w.kernels().gate_gelu_tanh;
  w.share(end - begin, [&](uint32_t from, uint32_t to) {
    constexpr uint32_t kStrip = kPanelColumns * kLanes;
    float* gates = w.own().rows16;
    float* ups = gates + 2 * kStrip;
    for (uint32_t pair = begin + from; pair < begin + to; ++pair) {
      const uint32_t channel = pair * 32, n = std::min(32u, d_ff - channel);
      for (uint32_t i = 0; i < rows.n_panels(); ++i) {
        const Panel panel = rows.panel(i);
        for (uint32_t half = 0; half < 2 && 16 * half < n; ++half) {
          gate.strip(2 * pair + half, panel, gates + half * kStrip);
          up.strip(2 * pair + half, panel, ups + half * kStrip);
        }
        for (uint32_t c = 0; c < panel.width; ++c) {
          const uint32_t row = i * kPanelColumns + c;
          float* out = p.out.f32 + size_t(row) * d_ff + channel;
          for (uint32_t half = 0; half < 2 && 16 * half < n; ++half)
            act(gates + half * kStrip + c * kLanes, ups + half * kStrip + c * kLanes, out + 16 * half,
                std::min(16u, n - 16 * half));
          quantize_channels(w, p.out, row, channel, channel + n);
        }
      }
    }
  });
}

void head(Worker& w, const StepRows& step, const HeadPhase& p) {
  const uint32_t n_rows = uint32_t(p.row_index.size()), vocab = std::min(p.head.rows, p.n_vocab);
  const Product product(w, p.head);
  const Rows rows =
      prologue(w, p.in, step.n_rows, p.row_index.data(), n_rows, !product.float_weights, product.float_weights);
  const uint32_t begin = p.strips.begin, end = std::min(p.strips.end, (vocab + kStripRows - 1) / kStripRows);
  if (begin >= end || n_rows == 0) return;
  w.share(end - begin, [&](uint32_t from, uint32_t to) {
    float* out = w.own().rows16;
    for (uint32_t s = begin + from; s < begin + to; ++s) {
      const uint32_t row = s * kStripRows, n = std::min(kStripRows, vocab - row);
      for (uint32_t i = 0; i < rows.n_panels(); ++i) {
        const Panel panel = rows.panel(i);
        product.strip(s, panel, out);
        for (uint32_t c = 0; c < panel.width; ++c) {
          float* values = out + c * kLanes;
          float* logits = p.logits + size_t(i * kPanelColumns + c) * p.n_vocab;
          if (p.softcap > 0) w.kernels().softcap(values, p.softcap, n);
          if (!p.row_order) {
            std::memcpy(logits + row, values, n * sizeof(float));
            continue;
          }
          for (uint32_t r = 0; r < n; ++r)
            if (p.row_order[row + r] < p.n_vocab) logits[p.row_order[row + r]] = values[r];
        }
      }
    }
  });
}

}  // namespace sluice::cpu
