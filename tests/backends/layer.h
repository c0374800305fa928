// SPDX-License-Identifier: Apache-2.0
// A small transformer out of the seam's phases, for tests of whole layers: every option of the phases can be switched
// on, and a prompt can be fed in any chunks.
#pragma once
#include "rig.h"

namespace sluice::test {

struct LayerConfig {
  std::string name = "plain";
  std::string qkv_format = "F16 4", out_format = "F16 4", ff_format = "F16 4", head_format = "F16 4";
  uint32_t d_model = 96, n_heads = 3, n_kv_heads = 1, head_dim = 32, d_ff = 128, n_vocab = 50;
  uint32_t window = 0, half = 16;
  float softcap = 0, head_softcap = 0;
  bool bias = false, out_bias = false, qk_norm = false, post_norm = false, row_order = false;
  Activation activation = Activation::kSilu;
  double most_error = 0.01;  // of the int8 program's logits against float32, about 1.3 times what it is
};

struct LayerModel {
  explicit LayerModel(const LayerConfig& config)
      : c(config),
        embed_format(format_named("F32")),
        embed(embed_format, c.n_vocab, c.d_model, 1, 1),
        wq(format_named(c.qkv_format), c.n_heads * c.head_dim, c.d_model, 2),
        wk(format_named(c.qkv_format), c.n_kv_heads * c.head_dim, c.d_model, 3),
        wv(format_named(c.qkv_format), c.n_kv_heads * c.head_dim, c.d_model, 4),
        wo(format_named(c.out_format), c.d_model, c.n_heads * c.head_dim, 5),
        gate(format_named(c.ff_format), c.d_ff, c.d_model, 6),
        up(format_named(c.ff_format), c.d_ff, c.d_model, 7),
        down(format_named(c.ff_format), c.d_model, c.d_ff, 8),
        head(format_named(c.head_format), c.n_vocab, c.d_model, 9),
        norm1(random_floats(c.d_model, 21)),
        norm2(random_floats(c.d_model, 22)),
        norm3(random_floats(c.d_model, 23)),
        post(random_floats(c.d_model, 24)),
        q_norm(random_floats(c.head_dim, 25, 2)),
        k_norm(random_floats(c.head_dim, 26, 2)),
        q_bias(random_floats(c.n_heads * c.head_dim, 27)),
        k_bias(random_floats(c.n_kv_heads * c.head_dim, 28, 20)),
        v_bias(random_floats(c.n_kv_heads * c.head_dim, 29)),
        o_bias(random_floats(c.d_model, 30)) {
    for (uint32_t i = 0; i < c.n_vocab; ++i)
      order.push_back((i * 7 + 3) % c.n_vocab);  // 7 and 50 have no common factor
  }
  LayerConfig c;
  WeightFormat embed_format;
  TestMatrix embed, wq, wk, wv, wo, gate, up, down, head;
  std::vector<float> norm1, norm2, norm3, post, q_norm, k_norm, q_bias, k_bias, v_bias, o_bias;
  std::vector<uint32_t> order;
};

struct LayerRun {
  std::vector<float> logits;  // of every position
  std::vector<float> x;       // the residual before the head's prologue, of every position
};

// Feeds tokens 0, 1, 2, … (mod n_vocab) in chunks of the given sizes through two passes of the layer. With `ranges`
// every phase runs in two unit ranges.
inline LayerRun run_layers(Device& device, const LayerModel& m, const std::vector<uint32_t>& chunks,
                           bool ranges = false) {
  const LayerConfig& c = m.c;
  constexpr uint32_t kLayers = 2;
  constexpr float kEps = 1e-5f;
  LayerRun result;
  Cache cache(device.backend->info().kv_type, kLayers, c.n_kv_heads, c.head_dim, 1024);
  uint32_t pos = 0;
  for (uint32_t n : chunks) {
    const SequenceRows sequence = cache.rows(0, n, pos);
    StepRows rows;
    rows.n_rows = n, rows.sequences = {&sequence, 1};
    std::vector<GatherRow> tokens;
    std::vector<float> cos, sin;
    std::vector<uint32_t> index;
    for (uint32_t i = 0; i < n; ++i) {
      tokens.push_back(m.embed.gather_row((pos + i) % c.n_vocab));
      index.push_back(i);
      for (uint32_t j = 0; j < c.half; ++j) {
        // Some angle, by exactly rounded operations only: the pinned bits must not depend on a library's cosine.
        const float t = float((pos + i) * 7 + j * 13) / 97 - 1, square = t * t;
        cos.push_back((1 - square) / (1 + square)), sin.push_back(2 * t / (1 + square));
      }
    }
    const size_t size = size_t(n) * c.d_model;
    std::vector<float> x(size), x2(size), branch(size), q(size_t(n) * c.n_heads * c.head_dim);
    std::vector<float> logits(size_t(n) * c.n_vocab, -1e9f);
    OwnedActivations attended(n, c.n_heads * c.head_dim), ff(n, c.d_ff);
    std::vector<Phase> program;
    const auto add = [&](auto phase, UnitRange& (*range)(decltype(phase)&), uint32_t units, uint32_t step) {
      if (!ranges || units <= step) return program.push_back({&rows, phase});
      range(phase) = {0, step};
      program.push_back({&rows, phase});
      range(phase) = {step, ~0u};
      program.push_back({&rows, phase});
    };
    GatherPhase gather;
    gather.format = &m.embed_format, gather.rows = tokens, gather.cols = c.d_model, gather.scale = 30,
    gather.x = x.data();
    program.push_back({&rows, gather});
    float *now = x.data(), *other = x2.data();
    bool pending = false;  // a branch waits for its post-norm
    const auto prologue = [&](const std::vector<float>& norm) {
      Prologue p;
      p.x = now, p.x_out = now, p.norm = norm.data(), p.eps = kEps, p.d_model = c.d_model;
      if (pending) p.branch = branch.data(), p.post_norm = m.post.data(), p.x_out = other, std::swap(now, other);
      pending = false;
      return p;
    };
    const auto project = [&](const Activations& in, const TestMatrix& w, const float* bias) {
      ProjectPhase p;
      p.in = in, p.w = w.view(), p.bias = bias, p.accumulate = !c.post_norm, p.dest = c.post_norm ? branch.data() : now;
      pending = c.post_norm;
      add(
          p, +[](ProjectPhase& r) -> UnitRange& { return r.strips; }, (c.d_model + 15) / 16, 2);
    };
    for (uint32_t layer = 0; layer < kLayers; ++layer) {
      QkvPhase qkv;
      qkv.in = prologue(m.norm1), qkv.wq = m.wq.view(), qkv.wk = m.wk.view(), qkv.wv = m.wv.view();
      if (c.bias) qkv.q_bias = m.q_bias.data(), qkv.k_bias = m.k_bias.data(), qkv.v_bias = m.v_bias.data();
      if (c.qk_norm) qkv.q_norm = m.q_norm.data(), qkv.k_norm = m.k_norm.data();
      qkv.rope = {cos.data(), sin.data(), c.half};
      qkv.n_heads = c.n_heads, qkv.n_kv_heads = c.n_kv_heads, qkv.head_dim = c.head_dim, qkv.layer = layer;
      qkv.q = q.data();
      add(
          qkv, +[](QkvPhase& r) -> UnitRange& { return r.groups; }, c.n_kv_heads, 1);
      AttendPhase attend;
      attend.q = q.data(), attend.n_heads = c.n_heads, attend.n_kv_heads = c.n_kv_heads, attend.head_dim = c.head_dim;
      attend.layer = layer, attend.window = c.window, attend.softcap = c.softcap;
      attend.scale = 1.0f / std::sqrt(float(c.head_dim)), attend.out = attended.view;
      add(
          attend, +[](AttendPhase& r) -> UnitRange& { return r.groups; }, c.n_kv_heads, 1);
      project(attended.view, m.wo, c.out_bias ? m.o_bias.data() : nullptr);
      GateUpPhase gate;
      gate.in = prologue(m.norm2), gate.gate = m.gate.view(), gate.up = m.up.view(), gate.activation = c.activation;
      gate.out = ff.view;
      add(
          gate, +[](GateUpPhase& r) -> UnitRange& { return r.strips; }, (c.d_ff + 15) / 16, 2);
      project(ff.view, m.down, nullptr);
    }
    HeadPhase head;
    head.in = prologue(m.norm3), head.row_index = index, head.head = m.head.view(), head.n_vocab = c.n_vocab;
    head.softcap = c.head_softcap, head.logits = logits.data();
    if (c.row_order) head.row_order = m.order.data();
    add(
        head, +[](HeadPhase& r) -> UnitRange& { return r.strips; }, (c.n_vocab + 15) / 16, 1);
    device.run(program);
    result.logits.insert(result.logits.end(), logits.begin(), logits.end());
    result.x.insert(result.x.end(), now, now + size);
    pos += n;
  }
  return result;
}

// Between them: every phase option, every format, sizes that fill no strip, block or group.
inline std::vector<LayerConfig> layer_configs() {
  std::vector<LayerConfig> v(7);
  v[0] = {"plain", "F16Min 4", "F16Min 5", "F16 4", "F16 8"};
  v[1] = {"odd sizes", "Super6Min 4", "Super6Min 5", "F16Min 5", "Super8 6"};
  v[1].d_model = 80, v[1].n_heads = 4, v[1].n_kv_heads = 2, v[1].head_dim = 20, v[1].d_ff = 56, v[1].n_vocab = 37;
  v[1].half = 10, v[1].bias = true;
  v[2] = {"gemma", "Super8 6", "F16 5", "Super6Min 4", "F16 4 with table"};
  v[2].n_heads = 4, v[2].n_kv_heads = 1, v[2].head_dim = 40, v[2].half = 20, v[2].window = 24, v[2].qk_norm = true;
  v[2].post_norm = true, v[2].softcap = 50, v[2].head_softcap = 30, v[2].activation = Activation::kGeluTanh;
  v[2].most_error = 0.014;
  v[3] = {"floats", "F32", "F16", "BF16", "F32"};
  v[3].n_heads = 3, v[3].n_kv_heads = 3, v[3].head_dim = 24, v[3].half = 8, v[3].row_order = true;
  v[3].most_error = 2e-5;
  v[4] = {"many heads in a group", "F16 8", "F16Min 4", "Super6Min 5", "F16 4"};
  v[4].n_heads = 20, v[4].n_kv_heads = 1, v[4].head_dim = 8, v[4].half = 4, v[4].window = 300;
  v[5] = {"wide", "F16Min 5", "Super6Min 4", "Super8 6", "F16Min 4"};
  v[5].d_model = 320, v[5].n_heads = 6, v[5].n_kv_heads = 2, v[5].head_dim = 64, v[5].half = 32, v[5].d_ff = 600;
  v[5].bias = true, v[5].row_order = true, v[5].most_error = 0.027;
  v[6] = {"heads of no whole quad", "Super6 3", "E8M0 4 with table", "F16 by 16 4 with table", "Super6 4 with table"};
  v[6].n_heads = 4, v[6].n_kv_heads = 2, v[6].head_dim = 34, v[6].half = 17, v[6].out_bias = true;
  return v;
}

}  // namespace sluice::test
