// SPDX-License-Identifier: Apache-2.0
// The reference backend: every phase by the plainest loops, activations and cache in float32. It is the oracle that
// other backends are compared with, so it shares no code with them. docs/NUMERICS.md gives the formulas; the order here
// is our own (sums of norms, softmax and products in double), but the same whatever chunk, range or thread a row comes
// with.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>

#include "backends/devices.h"
#include "backends/reference/dequantize.h"
#include "backends/reference/multiply.h"
#include "base/checked.h"

namespace sluice {

namespace reference {
namespace {

constexpr uint32_t kTileRows = 128;  // rows of a matrix that are dequantized and multiplied together

double sum_of_squares(const float* x, uint32_t n) {
  double s = 0;
  for (uint32_t i = 0; i < n; ++i) s += double(x[i]) * x[i];
  return s;
}

void rms_norm(const float* x, const float* w, float eps, uint32_t n, float* y) {
  const double scale = 1.0 / std::sqrt(sum_of_squares(x, n) / n + double(eps));
  for (uint32_t i = 0; i < n; ++i) y[i] = float(x[i] * scale) * w[i];
}

// Eight sums keep attention bearable at a few thousand slots.
float dot(const float* a, const float* b, uint32_t n) {
  float sum[8] = {};
  uint32_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (uint32_t j = 0; j < 8; ++j) sum[j] += a[i + j] * b[i + j];
  for (; i < n; ++i) sum[i % 8] += a[i] * b[i];
  return ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

// sums[i] += x[r][i]² over all rows.
void add_squares(const float* x, uint32_t n_rows, uint32_t cols, double* sums) {
  for (uint32_t r = 0; r < n_rows; ++r, x += cols)
    for (uint32_t i = 0; i < cols; ++i) sums[i] += double(x[i]) * x[i];
}

float cap(float x, float c) { return c > 0 ? float(c * std::tanh(double(x) / c)) : x; }

float activate(Activation kind, float g) {
  const double x = g;
  if (kind == Activation::kSilu) return float(x / (1 + std::exp(-x)));
  const double sqrt_2_over_pi = 0.79788456080286535588;
  return float(0.5 * x * (1 + std::tanh(sqrt_2_over_pi * (x + 0.044715 * x * x * x))));
}

void rope(float* head, const RopeRows& r, uint32_t row) {
  for (uint32_t j = 0; j < r.half; ++j) {
    const float c = r.cos[size_t(row) * r.half + j], s = r.sin[size_t(row) * r.half + j];
    const float a = head[j], b = head[j + r.half];
    head[j] = a * c - b * s;
    head[j + r.half] = a * s + b * c;
  }
}

class ReferenceBackend final : public Backend {
 public:
  // 128 rows a chunk: decoding the weights anew for each chunk is then a small part of the work.
  explicit ReferenceBackend(ThreadPool& pool) : pool_(pool) {
    info_ = {"reference", "scalar", true, KvType::kF32, 128};
  }

  const BackendInfo& info() const override { return info_; }

  uint64_t scratch_bytes(const StepLimits& limits) const override {
    Scratch s;
    return lay_out(limits, nullptr, &s);
  }

  Status prepare(const StepLimits& limits, Accountant& accountant) override {
    SLUICE_TRY(memory_, accountant.allocate(MemoryKind::kActivations, scratch_bytes(limits)));
    lay_out(limits, memory_.data(), &scratch_);
    return {};
  }

  Status supports(const WeightFormat& f) const override {
    if (can_dequantize(f)) return {};
    return make_error(Code::kBadModel, "", kNoOffset,
                      "the reference backend cannot compute this weight format: code kind %d of %d bits, scale kind %d",
                      int(f.code), int(f.code_bits), int(f.scale));
  }

  Result<Ticket> submit(std::span<const Phase> program, std::span<const Ticket>) override {
    for (const Phase& phase : program) {
      rows_ = phase.rows;
      std::visit([&](const auto& p) { run(p); }, phase.args);
    }
    return ++last_ticket_;
  }

  Status wait(Ticket) override { return {}; }

 private:
  struct Scratch {
    float *h, *k, *v;          // rows of a phase
    float *tile, *out, *out2;  // per thread: weights [kTileRows][cols], results [n_rows][kTileRows]
    double* scores;            // per thread [n_ctx]
    uint64_t tile_stride, out_stride, scores_stride;
  };

  uint64_t lay_out(const StepLimits& l, std::byte* base, Scratch* s) const {
    uint64_t bytes = 0;
    const auto take = [&](uint64_t n) {
      std::byte* p = base ? base + bytes : nullptr;
      bytes += round_up(n, 64);
      return p;
    };
    const uint64_t rows = std::max(l.max_rows, l.max_out_rows), threads = uint64_t(pool_.size());
    const uint64_t cols = std::max({l.max_cols, l.d_model, l.max_heads_dim});
    s->tile_stride = kTileRows * cols, s->out_stride = rows * kTileRows, s->scores_stride = l.n_ctx;
    s->h = reinterpret_cast<float*>(take(rows * l.d_model * 4));
    s->k = reinterpret_cast<float*>(take(rows * l.max_kv_heads_dim * 4));
    s->v = reinterpret_cast<float*>(take(rows * l.max_kv_heads_dim * 4));
    s->tile = reinterpret_cast<float*>(take(threads * s->tile_stride * 4));
    s->out = reinterpret_cast<float*>(take(threads * s->out_stride * 4));
    s->out2 = reinterpret_cast<float*>(take(threads * s->out_stride * 4));
    s->scores = reinterpret_cast<double*>(take(threads * s->scores_stride * 8));
    return bytes;
  }

  // fn(item, thread) for all items, on all threads.
  template <class Fn>
  void parallel(uint32_t n, Fn fn) {
    struct Job {
      std::atomic<uint32_t> next{0};
      uint32_t n;
      Fn& fn;
    } job{{0}, n, fn};
    pool_.run(
        [](void* arg, int thread) {
          Job& j = *static_cast<Job*>(arg);
          for (uint32_t i; (i = j.next.fetch_add(1)) < j.n;) j.fn(i, uint32_t(thread));
        },
        &job);
  }

  // use(first_row, n, out [n_rows][n], thread) for all rows [begin, end) of a matrix in tiles.
  template <class Use>
  void product(const Matrix& m, const float* x, uint32_t x_stride, uint32_t n_rows, uint32_t begin, uint32_t end,
               uint32_t k_begin, uint32_t k_end, Use use) {
    if (begin >= end || n_rows == 0) return;
    parallel((end - begin + kTileRows - 1) / kTileRows, [&](uint32_t i, uint32_t thread) {
      const uint32_t first = begin + i * kTileRows, n = std::min(kTileRows, end - first);
      float *w = scratch_.tile + thread * scratch_.tile_stride, *out = scratch_.out + thread * scratch_.out_stride;
      dequantize_rows(m, first, n, k_begin, k_end, w);
      multiply(x + k_begin, x_stride, w, n_rows, n, k_end - k_begin, out);
      use(first, n, out, thread);
    });
  }

  // x_out of all rows, and h of the rows in `index` (null: all).
  void prologue(const Prologue& p, const uint32_t* index, uint32_t n) {
    const uint32_t d = p.d_model;
    if (p.branch) {
      for (uint32_t r = 0; r < rows_->n_rows; ++r) {
        const float *x = p.x + size_t(r) * d, *y = p.branch + size_t(r) * d;
        float* out = p.x_out + size_t(r) * d;
        if (p.post_norm) rms_norm(y, p.post_norm, p.eps, d, out), y = out;
        for (uint32_t i = 0; i < d; ++i) out[i] = x[i] + y[i];
      }
    }
    for (uint32_t i = 0; i < n; ++i) {
      const size_t r = index ? index[i] : i;
      rms_norm((p.branch ? p.x_out : p.x) + r * d, p.norm, p.eps, d, scratch_.h + size_t(i) * d);
    }
    if (p.h_squares) add_squares(scratch_.h, n, d, p.h_squares);
  }

  void run(const GatherPhase& p) {
    for (size_t i = 0; i < p.rows.size(); ++i) {
      float* x = p.x + i * p.cols;
      dequantize_row(*p.format, p.rows[i].strip, p.rows[i].lanes, p.rows[i].lane, 0, p.cols, x);
      for (uint32_t k = 0; k < p.cols; ++k) x[k] *= p.scale;
    }
  }

  void run(const QkvPhase& p) {
    const uint32_t d = p.head_dim, per_group = p.n_heads / p.n_kv_heads;
    const uint32_t begin = p.groups.begin, end = std::min(p.groups.end, p.n_kv_heads), n = rows_->n_rows;
    prologue(p.in, nullptr, n);
    const auto multiply_heads = [&](const Matrix& m, const float* bias, uint32_t heads, float* to) {
      product(m, scratch_.h, p.in.d_model, n, begin * heads * d, end * heads * d, 0, m.cols,
              [&](uint32_t first, uint32_t count, const float* out, uint32_t) {
                for (uint32_t i = 0; i < n; ++i)
                  for (uint32_t j = 0; j < count; ++j)
                    to[size_t(i) * m.rows + first + j] = out[i * count + j] + (bias ? bias[first + j] : 0.0f);
              });
    };
    multiply_heads(p.wq, p.q_bias, per_group, p.q);
    multiply_heads(p.wk, p.k_bias, 1, scratch_.k);
    multiply_heads(p.wv, p.v_bias, 1, scratch_.v);
    for (const SequenceRows& seq : rows_->sequences) {
      const KvLayer& layer = seq.layers[p.layer];
      for (uint32_t r = seq.first_row; r < seq.first_row + seq.n_rows; ++r) {
        for (uint32_t h = begin * per_group; h < end * per_group; ++h) {
          float* q = p.q + (size_t(r) * p.n_heads + h) * d;
          if (p.q_norm) rms_norm(q, p.q_norm, p.in.eps, d, q);
          rope(q, p.rope, r);
        }
        for (uint32_t g = begin; g < end; ++g) {
          float* k = scratch_.k + (size_t(r) * p.n_kv_heads + g) * d;
          if (p.k_norm) rms_norm(k, p.k_norm, p.in.eps, d, k);
          rope(k, p.rope, r);
          const size_t place = (size_t(g) * seq.n_slots + seq.pos + (r - seq.first_row)) * d;
          std::memcpy(reinterpret_cast<float*>(layer.keys) + place, k, d * sizeof(float));
          std::memcpy(reinterpret_cast<float*>(layer.values) + place, scratch_.v + (size_t(r) * p.n_kv_heads + g) * d,
                      d * sizeof(float));
        }
      }
    }
  }

  void run(const AttendPhase& p) {
    const uint32_t per_group = p.n_heads / p.n_kv_heads, end = std::min(p.groups.end, p.n_kv_heads);
    if (p.groups.begin >= end) return;
    const uint32_t first_head = p.groups.begin * per_group, n_heads = end * per_group - first_head;
    for (const SequenceRows& seq : rows_->sequences)
      parallel(seq.n_rows * n_heads, [&](uint32_t item, uint32_t thread) {
        attend_head(p, seq, item / n_heads, first_head + item % n_heads,
                    scratch_.scores + thread * scratch_.scores_stride);
      });
  }

  void attend_head(const AttendPhase& p, const SequenceRows& seq, uint32_t i, uint32_t head, double* scores) {
    const uint32_t d = p.head_dim, group = head / (p.n_heads / p.n_kv_heads), pos = seq.pos + i;
    const size_t row = size_t(seq.first_row) + i;
    const float* q = p.q + (row * p.n_heads + head) * d;
    const KvLayer& layer = seq.layers[p.layer];
    const float* keys = reinterpret_cast<const float*>(layer.keys) + size_t(group) * seq.n_slots * d;
    const float* values = reinterpret_cast<const float*>(layer.values) + size_t(group) * seq.n_slots * d;
    const uint32_t first = p.window != 0 && pos >= p.window ? pos - p.window + 1 : 0;
    double max = -INFINITY;
    for (uint32_t s = first; s <= pos; ++s) {
      scores[s] = cap(dot(q, keys + size_t(s) * d, d) * p.scale, p.softcap);
      max = std::max(max, scores[s]);
    }
    double sum = 0;
    for (uint32_t s = first; s <= pos; ++s) {
      scores[s] = std::exp(scores[s] - max);
      sum += scores[s];
    }
    float* out = p.out.f32 + (row * p.n_heads + head) * d;
    std::fill(out, out + d, 0.0f);
    for (uint32_t s = first; s <= pos; ++s) {
      const float weight = float(scores[s] / sum);
      const float* v = values + size_t(s) * d;
      for (uint32_t c = 0; c < d; ++c) out[c] += weight * v[c];
    }
  }

  void run(const ProjectPhase& p) {
    const uint32_t n = rows_->n_rows, end = std::min<uint64_t>(uint64_t{p.strips.end} * kStripRows, p.w.rows);
    if (p.in_squares) add_squares(p.in.f32, n, p.in.cols, p.in_squares);
    product(p.w, p.in.f32, p.in.cols, n, p.strips.begin * kStripRows, end, p.k_begin, std::min(p.k_end, p.w.cols),
            [&](uint32_t first, uint32_t count, const float* out, uint32_t) {
              for (uint32_t i = 0; i < n; ++i)
                for (uint32_t j = 0; j < count; ++j) {
                  float& to = p.dest[size_t(i) * p.w.rows + first + j];
                  const float value = out[i * count + j] + (p.bias ? p.bias[first + j] : 0.0f);
                  to = p.accumulate ? to + value : value;
                }
            });
  }

  void run(const GateUpPhase& p) {
    const uint32_t n = rows_->n_rows, end = std::min<uint64_t>(uint64_t{p.strips.end} * kStripRows, p.gate.rows);
    prologue(p.in, nullptr, n);
    product(p.gate, scratch_.h, p.in.d_model, n, p.strips.begin * kStripRows, end, 0, p.gate.cols,
            [&](uint32_t first, uint32_t count, const float* gate, uint32_t thread) {
              float *w = scratch_.tile + thread * scratch_.tile_stride,
                    *up = scratch_.out2 + thread * scratch_.out_stride;
              dequantize_rows(p.up, first, count, 0, p.up.cols, w);
              multiply(scratch_.h, p.in.d_model, w, n, count, p.up.cols, up);
              for (uint32_t i = 0; i < n; ++i)
                for (uint32_t j = 0; j < count; ++j)
                  p.out.f32[size_t(i) * p.gate.rows + first + j] =
                      activate(p.activation, gate[i * count + j]) * up[i * count + j];
            });
  }

  void run(const HeadPhase& p) {
    const uint32_t n = uint32_t(p.row_index.size()), vocab = std::min(p.head.rows, p.n_vocab);
    const uint32_t end = std::min<uint64_t>(uint64_t{p.strips.end} * kStripRows, vocab);
    prologue(p.in, p.row_index.data(), n);
    product(p.head, scratch_.h, p.in.d_model, n, p.strips.begin * kStripRows, end, 0, p.head.cols,
            [&](uint32_t first, uint32_t count, const float* out, uint32_t) {
              for (uint32_t i = 0; i < n; ++i)
                for (uint32_t j = 0; j < count; ++j) {
                  const uint32_t token = p.row_order ? p.row_order[first + j] : first + j;
                  if (token < p.n_vocab) p.logits[size_t(i) * p.n_vocab + token] = cap(out[i * count + j], p.softcap);
                }
            });
  }

  ThreadPool& pool_;
  BackendInfo info_;
  Block memory_;
  Scratch scratch_{};
  const StepRows* rows_ = nullptr;
  Ticket last_ticket_ = 0;
};

}  // namespace
}  // namespace reference

Result<std::unique_ptr<Backend>> create_reference_device(ThreadPool& pool) {
  return std::unique_ptr<Backend>(std::make_unique<reference::ReferenceBackend>(pool));
}

}  // namespace sluice
