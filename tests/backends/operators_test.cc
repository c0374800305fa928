// SPDX-License-Identifier: Apache-2.0
// Single operators against plain double precision: what a comparison of whole models is too coarse to see (a window off
// by one, eps, the constants of gelu, the pairs of rope, the order of softcap and scale, heads of a group).
#include "rig.h"

namespace sluice::test {

namespace {

std::vector<float> ones(size_t n) { return std::vector<float>(n, 1.0f); }

double rms_scale(const float* x, uint32_t n, double eps) {
  double s = 0;
  for (uint32_t i = 0; i < n; ++i) s += double(x[i]) * x[i];
  return 1 / std::sqrt(s / n + eps);
}

constexpr double kFloat = 3e-7;  // a few roundings of float32
constexpr double kExp = 1e-6;    // and the polynomial of exp

}  // namespace

TEST_CASE("a prologue adds the branch after its post-norm, then norms with eps inside the root", "[backends][norm]") {
  const uint32_t d = 37, n = 3;
  const Identity identity(d);
  auto x = random_floats(n * d, 1, 2), branch = random_floats(n * d, 2, 1e-3f), post = random_floats(d, 3);
  const auto norm = random_floats(d, 4);
  for (size_t i = 0; i < d; ++i) x[d + i] *= 1e-3f;  // a row so small that eps decides
  for (const std::string& name : every_device())
    for (const float eps : {1e-5f, 1e-6f, 0.5f})
      for (const bool with_post : {false, true})
        for (uint32_t rows_at_once : {1u, n}) {
          Device device(name, 2);
          std::vector<float> x_out(n * d), h(n * d);
          for (uint32_t first = 0; first < n; first += rows_at_once) {
            StepRows rows;
            rows.n_rows = rows_at_once;
            std::vector<uint32_t> index;
            for (uint32_t i = 0; i < rows_at_once; ++i) index.push_back(i);
            HeadPhase p;
            p.in.x = &x[first * d], p.in.branch = &branch[first * d], p.in.x_out = &x_out[first * d];
            p.in.post_norm = with_post ? post.data() : nullptr, p.in.norm = norm.data(), p.in.eps = eps,
            p.in.d_model = d;
            p.row_index = index, p.head = identity.view(), p.n_vocab = d, p.logits = &h[first * d];
            device.run({{&rows, p}});
          }
          std::vector<double> wanted_x, wanted_h;
          for (uint32_t r = 0; r < n; ++r) {
            const double b = with_post ? rms_scale(&branch[r * d], d, eps) : 1;
            std::vector<float> sum;
            for (uint32_t i = 0; i < d; ++i) {
              wanted_x.push_back(x[r * d + i] + branch[r * d + i] * b * (with_post ? post[i] : 1));
              sum.push_back(float(wanted_x.back()));
            }
            const double s = rms_scale(sum.data(), d, eps);
            for (uint32_t i = 0; i < d; ++i) wanted_h.push_back(sum[i] * s * norm[i]);
          }
          INFO(name << ", eps " << eps << (with_post ? ", post-norm" : ""));
          CHECK(relative_error(x_out, wanted_x) < kFloat);
          for (uint32_t r = 0; r < n; ++r)
            CHECK(relative_error(std::vector<float>(h.begin() + r * d, h.begin() + (r + 1) * d),
                                 std::vector<double>(wanted_h.begin() + r * d, wanted_h.begin() + (r + 1) * d)) <
                  2 * kFloat);
        }
}

TEST_CASE("a head gives the rows asked for, in their order, and still writes every x_out", "[backends][head]") {
  const uint32_t d = 16, n = 4;
  const Identity identity(d);
  const auto x = random_floats(n * d, 1), branch = random_floats(n * d, 2), norm = ones(d);
  for (const std::string& name : every_device()) {
    Device device(name, 2);
    std::vector<float> x_out(n * d), all(n * d), some(2 * d);
    StepRows rows;
    rows.n_rows = n;
    HeadPhase p;
    p.in.x = x.data(), p.in.branch = branch.data(), p.in.x_out = x_out.data(), p.in.norm = norm.data(),
    p.in.d_model = d;
    p.head = identity.view(), p.n_vocab = d;
    const uint32_t every[] = {0, 1, 2, 3}, picked[] = {3, 1};
    p.row_index = every, p.logits = all.data();
    device.run({{&rows, p}});
    std::fill(x_out.begin(), x_out.end(), 0.0f);
    p.row_index = picked, p.logits = some.data();
    device.run({{&rows, p}});
    INFO(name);
    for (uint32_t i = 0; i < n * d; ++i) CHECK(x_out[i] == x[i] + branch[i]);
    for (uint32_t i = 0; i < d; ++i) {
      CHECK(some[i] == all[3 * d + i]);
      CHECK(some[d + i] == all[d + i]);
    }
  }
}

TEST_CASE("the head caps softly, follows the row order and never writes padding", "[backends][head]") {
  const uint32_t d = 40, vocab = 37;
  const Identity identity(d);
  std::vector<float> x = random_floats(d, 1, 3);
  const double s = rms_scale(x.data(), d, 0);
  const auto norm = std::vector<float>(d, 20.0f);
  std::vector<uint32_t> order;
  for (uint32_t i = 0; i < d; ++i) order.push_back((i * 5) % vocab);
  for (const std::string& name : every_device()) {
    Device device(name, 1);
    std::vector<float> logits(vocab + 3, 123.0f);
    StepRows rows;
    rows.n_rows = 1;
    const uint32_t index[] = {0};
    HeadPhase p;
    p.in.x = p.in.x_out = x.data(), p.in.norm = norm.data(), p.in.d_model = d;
    p.row_index = index, p.head = identity.view(), p.n_vocab = vocab, p.softcap = 30, p.logits = logits.data();
    p.row_order = order.data();
    device.run({{&rows, p}});
    INFO(name);
    for (uint32_t i = 0; i < vocab; ++i)
      CHECK(logits[order[i]] == Approx(30 * std::tanh(x[i] * s * 20 / 30)).epsilon(kExp * 5).margin(1e-5));
    for (uint32_t i = vocab; i < vocab + 3; ++i) CHECK(logits[i] == 123.0f);
  }
}

TEST_CASE("gates are silu and the tanh form of gelu, to float32's precision over the whole range", "[backends][gate]") {
  const uint32_t d = 2, d_ff = 400;
  // h = (1, 1) for x = (1, 1); gate row i gives g_i, up row i gives 1.
  std::vector<float> g, gates(size_t(d_ff) * d), ups(size_t(d_ff) * d);
  for (uint32_t i = 0; i < d_ff; ++i) g.push_back((float(i) - 200) * 0.1f);
  for (uint32_t i = 0; i < d_ff; ++i) {  // input 0 of 2: block k holds 16 lanes
    gates[size_t(i / 16) * 32 + i % 16] = g[i];
    ups[size_t(i / 16) * 32 + i % 16] = 1;
  }
  const WeightFormat f = float_format(CodeKind::kF32);
  const auto matrix = [&](const std::vector<float>& v, const std::byte** chunk) {
    Matrix m;
    *chunk = reinterpret_cast<const std::byte*>(v.data());
    m.format = &f, m.rows = d_ff, m.cols = d, m.chunks = chunk, m.strips_per_chunk = d_ff / 16, m.strip_stride = 128;
    return m;
  };
  const std::byte *gate_chunk, *up_chunk;
  std::vector<float> x = {1, 1};
  const auto norm = ones(d);
  for (const std::string& name : every_device())
    for (const Activation kind : {Activation::kSilu, Activation::kGeluTanh}) {
      Device device(name, 2);
      OwnedActivations out(1, d_ff);
      StepRows rows;
      rows.n_rows = 1;
      GateUpPhase p;
      p.in.x = p.in.x_out = x.data(), p.in.norm = norm.data(), p.in.d_model = d;
      p.gate = matrix(gates, &gate_chunk), p.up = matrix(ups, &up_chunk), p.activation = kind, p.out = out.view;
      device.run({{&rows, p}});
      INFO(name << (kind == Activation::kSilu ? ", silu" : ", gelu"));
      for (uint32_t i = 0; i < d_ff; ++i) {
        const double v = g[i];
        const double wanted = kind == Activation::kSilu
                                  ? v / (1 + std::exp(-v))
                                  : 0.5 * v * (1 + std::tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
        // Below -10 the gates are tiny: their absolute error matters, and a relative one within exp's argument
        // rounding.
        CHECK(out.f32[i] == Approx(wanted).epsilon(2e-5).margin(2e-7));
      }
    }
}

namespace {

// The rotation of docs/NUMERICS.md by its definition: H[i][j] = (-1)^(bits that i and j share), whole groups of 32.
std::vector<double> rotated(const std::vector<double>& x, double factor) {
  std::vector<double> y = x;
  for (size_t g = 0; g + 32 <= x.size(); g += 32)
    for (size_t i = 0; i < 32; ++i) {
      y[g + i] = 0;
      for (size_t j = 0; j < 32; ++j) y[g + i] += (__builtin_parity(unsigned(i & j)) ? -x[g + j] : x[g + j]) * factor;
    }
  return y;
}

// A query as the int8 cache sees it: rotated, rounded to 16 bits per 32 channels, and rotated back.
std::vector<double> rounded_query(const std::vector<float>& q) {
  std::vector<double> v = rotated({q.begin(), q.end()}, 1.0 / 32);
  for (size_t g = 0; g < v.size(); g += 32) {
    const size_t end = std::min(v.size(), g + 32);
    double amax = 0;
    for (size_t i = g; i < end; ++i) amax = std::max(amax, std::fabs(v[i]));
    const double step = amax / 127 / 256;
    for (size_t i = g; i < end; ++i) v[i] = std::nearbyint(v[i] / step) * step;
  }
  return rotated(v, 1);
}

// What a Qkv phase stored for one position, back as floats.
struct Stored {
  std::vector<double> key, value;
};

Stored stored(const Cache& cache, uint32_t group, uint32_t slot, uint32_t d) {
  Stored s;
  const uint32_t n_groups = (d + 31) / 32, dim4 = (d + 3) / 4;
  for (uint32_t c = 0; c < d; ++c) {
    if (cache.type == KvType::kF32) {
      const size_t at = (size_t(group) * cache.n_slots + slot) * d + c;
      s.key.push_back(reinterpret_cast<const float*>(cache.keys[0].data())[at]);
      s.value.push_back(reinterpret_cast<const float*>(cache.values[0].data())[at]);
      continue;
    }
    const size_t strip = size_t(group) * (cache.n_slots / 16) + slot / 16, place = size_t(group) * cache.n_slots + slot;
    const auto code = int8_t(cache.keys[0][(strip * dim4 + c / 4) * 64 + slot % 16 * 4 + c % 4]);
    s.key.push_back(code * double(half_value(cache.key_scales[0][(strip * n_groups + c / 32) * 16 + slot % 16])));
    s.value.push_back(int8_t(cache.values[0][place * d + c]) * double(half_value(cache.value_scales[0][place])));
  }
  if (cache.type == KvType::kQ8) s.key = rotated(s.key, 1.0 / 32);
  return s;
}

}  // namespace

TEST_CASE("q, k and v get bias, then norm, then rope over (j, j + half), and land at their position",
          "[backends][qkv]") {
  const uint32_t d_model = 60, heads = 4, groups = 2, half = 8, n = 3, pos = 15;  // 15: rows fall into two strips
  const uint32_t d = GENERATE(24u, 34u);  // 34: a whole group that is rotated, and half a quad of channels
  const TestMatrix wq(float_format(CodeKind::kF32), heads * d, d_model, 1),
      wk(float_format(CodeKind::kF32), groups * d, d_model, 2),
      wv(float_format(CodeKind::kF32), groups * d, d_model, 3);
  auto x = random_floats(n * d_model, 4);
  const auto norm = ones(d_model);
  const auto bq = random_floats(heads * d, 5), bk = random_floats(groups * d, 6), bv = random_floats(groups * d, 7);
  const auto nq = random_floats(d, 8, 2), nk = random_floats(d, 9, 2);
  const auto angles = random_floats(n * half, 10, 3);
  std::vector<float> cos, sin;
  for (float a : angles) cos.push_back(std::cos(a)), sin.push_back(std::sin(a));
  const float eps = 0.01f;
  for (const std::string& name : every_device())
    for (const bool bias : {false, true})
      for (const bool qk_norm : {false, true}) {
        Device device(name, 2);
        const Cache cache(device.backend->info().kv_type, 1, groups, d, 256);
        const SequenceRows sequence = cache.rows(0, n, pos);
        StepRows rows;
        rows.n_rows = n, rows.sequences = {&sequence, 1};
        std::vector<float> q(n * heads * d);
        QkvPhase p;
        p.in.x = p.in.x_out = x.data(), p.in.norm = norm.data(), p.in.eps = eps, p.in.d_model = d_model;
        p.wq = wq.view(), p.wk = wk.view(), p.wv = wv.view();
        if (bias) p.q_bias = bq.data(), p.k_bias = bk.data(), p.v_bias = bv.data();
        if (qk_norm) p.q_norm = nq.data(), p.k_norm = nk.data();
        p.rope = {cos.data(), sin.data(), half};
        p.n_heads = heads, p.n_kv_heads = groups, p.head_dim = d, p.q = q.data();
        device.run({{&rows, p}});

        // One head in double.
        const auto head = [&](uint32_t r, const TestMatrix& w, const std::vector<float>& b, const float* head_norm,
                              uint32_t h, bool turn) {
          const double s = rms_scale(&x[r * d_model], d_model, eps);
          std::vector<double> v(d);
          double squares = 0;
          for (uint32_t c = 0; c < d; ++c) {
            for (uint32_t k = 0; k < d_model; ++k) v[c] += double(w.value(h * d + c, k)) * x[r * d_model + k] * s;
            if (bias) v[c] += b[h * d + c];
            squares += v[c] * v[c];
          }
          if (head_norm)
            for (uint32_t c = 0; c < d; ++c) v[c] *= head_norm[c] / std::sqrt(squares / d + eps);
          if (turn)
            for (uint32_t j = 0; j < half; ++j) {
              const double a = v[j], z = v[j + half], co = cos[r * half + j], si = sin[r * half + j];
              v[j] = a * co - z * si, v[j + half] = a * si + z * co;
            }
          return v;
        };
        INFO(name << (bias ? ", bias" : "") << (qk_norm ? ", qk norm" : ""));
        for (uint32_t r = 0; r < n; ++r) {
          for (uint32_t h = 0; h < heads; ++h)
            CHECK(
                relative_error(std::vector<float>(q.begin() + (r * heads + h) * d, q.begin() + (r * heads + h + 1) * d),
                               head(r, wq, bq, qk_norm ? nq.data() : nullptr, h, true)) < 4 * kFloat);
          for (uint32_t g = 0; g < groups; ++g) {
            const Stored got = stored(cache, g, pos + r, d);
            const bool exact = cache.type == KvType::kF32;
            CHECK(relative_error(got.key, head(r, wk, bk, qk_norm ? nk.data() : nullptr, g, true)) <
                  (exact ? 4 * kFloat : 0.02));  // int8 steps of 32 rotated channels
            CHECK(relative_error(got.value, head(r, wv, bv, nullptr, g, false)) <
                  (exact ? 4 * kFloat : 0.5 / 127 * 1.01));  // half a step of int8
          }
        }
      }
}

namespace {

struct AttendCase {
  uint32_t heads = 6, groups = 2, d = 40, n_slots = 768, pos = 600, n = 5, window = 0;
  float scale = 0.3f, softcap = 0;
};

// Fills the cache through Qkv phases with identity weights (d_model = all kv channels), attends, and compares with a
// double-precision attention over what the cache holds.
void check_attention(const std::string& name, const AttendCase& a) {
  Device device(name, 2);
  const KvType type = device.backend->info().kv_type;
  Cache cache(type, 1, a.groups, a.d, a.n_slots);
  const uint32_t kv = a.groups * a.d, total = a.pos + a.n;
  const Identity identity(kv);
  const auto norm = ones(kv);
  for (uint32_t first = 0; first < total; first += 32) {
    const uint32_t n = std::min(32u, total - first);
    auto x = random_floats(n * kv, 100 + first);
    const SequenceRows sequence = cache.rows(0, n, first);
    StepRows rows;
    rows.n_rows = n, rows.sequences = {&sequence, 1};
    std::vector<float> q(n * kv);
    QkvPhase p;
    p.in.x = p.in.x_out = x.data(), p.in.norm = norm.data(), p.in.d_model = kv;
    p.wq = p.wk = p.wv = identity.view(), p.n_heads = p.n_kv_heads = a.groups, p.head_dim = a.d, p.q = q.data();
    device.run({{&rows, p}});
  }
  const auto q = random_floats(a.n * a.heads * a.d, 7, 2);
  OwnedActivations out(a.n, a.heads * a.d);
  const SequenceRows sequence = cache.rows(0, a.n, a.pos);
  StepRows rows;
  rows.n_rows = a.n, rows.sequences = {&sequence, 1};
  AttendPhase p;
  p.q = q.data(), p.n_heads = a.heads, p.n_kv_heads = a.groups, p.head_dim = a.d;
  p.window = a.window, p.scale = a.scale, p.softcap = a.softcap, p.out = out.view;
  device.run({{&rows, p}});

  std::vector<double> wanted;
  std::vector<Stored> slots[8];
  for (uint32_t g = 0; g < a.groups; ++g)
    for (uint32_t s = 0; s < total; ++s) slots[g].push_back(stored(cache, g, s, a.d));
  for (uint32_t r = 0; r < a.n; ++r)
    for (uint32_t h = 0; h < a.heads; ++h) {
      const uint32_t t = a.pos + r, g = h / (a.heads / a.groups);
      std::vector<double> o(a.d);
      double sum = 0;
      const std::vector<float> head(q.begin() + (r * a.heads + h) * a.d, q.begin() + (r * a.heads + h + 1) * a.d);
      const std::vector<double> seen =
          type == KvType::kF32 ? std::vector<double>(head.begin(), head.end()) : rounded_query(head);
      for (uint32_t s = 0; s <= t; ++s) {
        if (a.window != 0 && !(t - s < a.window)) continue;
        double l = 0;
        for (uint32_t c = 0; c < a.d; ++c) l += slots[g][s].key[c] * seen[c];
        l *= a.scale;
        if (a.softcap > 0) l = a.softcap * std::tanh(l / a.softcap);
        const double weight = std::exp(l);
        sum += weight;
        for (uint32_t c = 0; c < a.d; ++c) o[c] += weight * slots[g][s].value[c];
      }
      for (double v : o) wanted.push_back(v / sum);
    }
  CHECK(relative_error(out.f32, wanted) <
        1e-4);  // half a step of the 16-bit query in logits of about 10; a slot is 1e-3
  if (device.f32()) return;
  OwnedActivations again(a.n, a.heads * a.d);
  again.set(out.f32, a.n);
  CHECK(same_bits(again.q8, out.q8));
  CHECK(same_bits(again.scale, out.scale));
  CHECK(same_bits(again.sum16, out.sum16));
}

}  // namespace

TEST_CASE("attention sees slot p from position t iff p <= t and t - p < window", "[backends][attend]") {
  for (const std::string& name : every_device())
    for (uint32_t window : {0u, 1u, 2u, 31u, 32u, 33u, 255u, 256u, 257u, 511u, 600u, 601u, 605u, 606u})
      for (uint32_t n : {1u, 5u}) {
        AttendCase a;
        a.window = window, a.n = n;
        INFO(name << ", window " << window << ", " << n << " rows");
        check_attention(name, a);
      }
}

TEST_CASE("attention scales, then caps softly, for every shape of heads", "[backends][attend]") {
  const uint32_t shapes[][3] = {{1, 1, 64}, {9, 3, 64}, {4, 1, 256}, {12, 2, 128}, {20, 1, 8}, {6, 6, 20}, {3, 1, 33}};
  for (const std::string& name : every_device())
    for (const auto& [heads, groups, d] : shapes)
      for (const float softcap : {0.0f, 2.0f}) {
        AttendCase a;
        a.heads = heads, a.groups = groups, a.d = d, a.softcap = softcap, a.scale = 1.3f / std::sqrt(float(d));
        a.pos = 270, a.n = 3, a.n_slots = 512;
        INFO(name << ", " << heads << " heads in " << groups << " groups of " << d << ", cap " << softcap);
        check_attention(name, a);
      }
}

TEST_CASE("the first positions of a session attend to themselves", "[backends][attend]") {
  for (const std::string& name : every_device())
    for (uint32_t pos : {0u, 1u, 15u, 16u, 254u, 255u, 256u}) {
      AttendCase a;
      a.pos = pos, a.n = 2, a.n_slots = 512;
      INFO(name << ", position " << pos);
      check_attention(name, a);
    }
}

TEST_CASE("rows of several sessions in one step equal each session alone", "[backends][attend]") {
  const uint32_t heads = 4, groups = 2, d = 32, kv = groups * d;
  const Identity identity(kv);
  const auto norm = ones(kv);
  for (const std::string& name : every_device()) {
    Device device(name, 3);
    const KvType type = device.backend->info().kv_type;
    const uint32_t lengths[3] = {1, 300, 17};
    std::vector<Cache> caches;
    for (int i = 0; i < 3; ++i) caches.emplace_back(type, 1, groups, d, 512u);
    const auto run = [&](const std::vector<SequenceRows>& sequences, uint32_t n, uint32_t seed_row) {
      auto x = random_floats(64 * kv, 3);
      auto q = random_floats(64 * heads * d, 4);
      std::vector<float> own_q(q.begin() + seed_row * heads * d, q.begin() + (seed_row + n) * heads * d);
      std::vector<float> scratch(n * kv);
      StepRows rows;
      rows.n_rows = n, rows.sequences = sequences;
      QkvPhase p;
      p.in.x = p.in.x_out = x.data() + seed_row * kv, p.in.norm = norm.data(), p.in.d_model = kv;
      p.wq = p.wk = p.wv = identity.view(), p.n_heads = p.n_kv_heads = groups, p.head_dim = d, p.q = scratch.data();
      OwnedActivations out(n, heads * d);
      AttendPhase a;
      a.q = own_q.data(), a.n_heads = heads, a.n_kv_heads = groups, a.head_dim = d, a.out = out.view;
      device.run({{&rows, p}, {&rows, a}});
      return out.f32;
    };
    for (int i = 0; i < 3; ++i)  // histories of different lengths
      for (uint32_t at = 0; at < lengths[i]; at += 32)
        run({caches[size_t(i)].rows(0, std::min(32u, lengths[i] - at), at)}, std::min(32u, lengths[i] - at),
            uint32_t(i));
    const uint32_t counts[3] = {1, 2, 7};
    const std::vector<Cache> copies = caches;  // written by the step of all three only
    std::vector<SequenceRows> together;
    std::vector<float> alone;
    uint32_t first = 0;
    for (int i = 0; i < 3; ++i) {
      const auto part = run({caches[size_t(i)].rows(0, counts[i], lengths[i])}, counts[i], first);
      alone.insert(alone.end(), part.begin(), part.end());
      together.push_back(copies[size_t(i)].rows(first, counts[i], lengths[i]));
      first += counts[i];
    }
    INFO(name);
    CHECK(same_bits(run(together, first, 0), alone));
    for (size_t i = 0; i < 3; ++i) {
      CHECK(copies[i].keys == caches[i].keys);
      CHECK(copies[i].values == caches[i].values);
      CHECK(copies[i].key_scales == caches[i].key_scales);
      CHECK(copies[i].value_scales == caches[i].value_scales);
    }
  }
}

}  // namespace sluice::test
