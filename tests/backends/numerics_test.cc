// SPDX-License-Identifier: Apache-2.0
// What docs/NUMERICS.md fixes, by its own words: the bits of single formulas at the edges of their ranges, where a
// comparison with a tolerance or between two paths sees nothing.
#include "rig.h"

namespace sluice::test {

namespace {

// ---- the words --------------------------------------------------------------------------------------------------

float words_exp(float x) {
  x = std::min(std::max(x, -87.0f), 88.0f);
  const float n = std::fma(x, 1.44269504f, 12582912.0f) - 12582912.0f;
  float r = std::fma(n, -0.693359375f, x);
  r = std::fma(n, 2.12194440e-4f, r);
  float p = 1.9875691500e-4f;
  for (const float c : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f})
    p = std::fma(p, r, c);
  const float y = std::fma(p, r * r, r) + 1.0f;
  return std::ldexp(y, int(n));
}

float words_silu(float g) { return g / (1.0f + words_exp(-g)); }
float words_gelu(float g) { return g / (1.0f + words_exp(g * std::fma(g * g, -0.0713548163f, -1.5957691216f))); }

// sum16 of squares, then the norm.
std::vector<float> words_norm(const std::vector<float>& x, const std::vector<float>& w, float eps) {
  float p[16] = {};
  for (size_t i = 0; i < x.size(); ++i) p[i % 16] = std::fma(x[i], x[i], p[i % 16]);
  for (int half : {8, 4, 2, 1})
    for (int i = 0; i < half; ++i) p[i] += p[i + half];
  const float inverse = 1.0f / std::sqrt(p[0] / float(x.size()) + eps);
  std::vector<float> y;
  for (size_t i = 0; i < x.size(); ++i) y.push_back(x[i] * inverse * w[i]);
  return y;
}

// The f16 nearest to 0 <= v <= 65504, ties to even.
double words_half(double v) {
  int e;
  std::frexp(v, &e);
  const double step = std::ldexp(1.0, std::max(e - 11, -24));
  return std::nearbyint(v / step) * step;
}

// A group of the cache: its scale and its codes.
struct Group {
  double scale = 0;
  std::vector<int> codes;
};
Group words_cache(const std::vector<float>& x) {
  float amax = 0;
  for (float v : x) amax = std::max(amax, std::fabs(v));
  Group g;
  g.scale = words_half(std::min(double(float(double(amax) / 127)), 65504.0));
  const float inverse = g.scale == 0 ? 0.0f : float(1 / g.scale);
  for (float v : x) g.codes.push_back(int(std::nearbyint(std::min(127.0f, std::max(-127.0f, v * inverse)))));
  return g;
}

std::vector<float> words_rotate(std::vector<float> x) {
  for (size_t half : {16, 8, 4, 2, 1})
    for (size_t begin = 0; begin < 32; begin += 2 * half)
      for (size_t i = begin; i < begin + half; ++i) {
        const float a = x[i], b = x[i + half];
        x[i] = a + b, x[i + half] = a - b;
      }
  return x;
}

// ---- phases with numbers of our choice --------------------------------------------------------------------------

const std::vector<float> kOne = {1.0f};

// out = act(gate[i]) * up[i]: one input that is exactly 1, and its weights.
void run_gates(Device& device, Activation kind, const std::vector<float>& gate, const std::vector<float>& up,
               OwnedActivations& out) {
  FloatMatrix g(uint32_t(gate.size()), 1), u(uint32_t(gate.size()), 1);
  for (uint32_t i = 0; i < gate.size(); ++i) g.at(i, 0) = gate[i], u.at(i, 0) = up[i];
  StepRows rows;
  rows.n_rows = 1;
  GateUpPhase p;
  p.in.x = kOne.data(), p.in.norm = kOne.data(), p.in.d_model = 1;
  p.gate = g.view(), p.up = u.view(), p.activation = kind, p.out = out.view;
  device.run({{&rows, p}});
}

// One row of a Qkv phase whose q, k and v are the given biases exactly, at position pos.
void run_qkv(Device& device, const std::vector<float>& q, const std::vector<float>& k, const std::vector<float>& v,
             const RopeRows& rope, const Cache& cache, uint32_t pos, float* q_out) {
  const uint32_t d = uint32_t(q.size());
  const FloatMatrix zero(d, 1);
  const SequenceRows sequence = cache.rows(0, 1, pos);
  StepRows rows;
  rows.n_rows = 1, rows.sequences = {&sequence, 1};
  QkvPhase p;
  p.in.x = kOne.data(), p.in.norm = kOne.data(), p.in.d_model = 1;
  p.wq = p.wk = p.wv = zero.view(), p.q_bias = q.data(), p.k_bias = k.data(), p.v_bias = v.data();
  p.rope = rope, p.n_heads = p.n_kv_heads = 1, p.head_dim = d, p.q = q_out;
  device.run({{&rows, p}});
}

}  // namespace

TEST_CASE("gates have the bits of their formulas, and exp ends at -87 and 88", "[backends][numerics]") {
  std::vector<float> g;
  for (float edge : {0.0f, 1e-30f, 1e-6f, 17.0f, 19.9f, 20.0f, 20.1f, 86.9f, 87.0f, 87.1f, 87.9f, 88.0f, 88.1f, 90.0f,
                     100.0f, 1000.0f})
    for (float sign : {1.0f, -1.0f})
      for (float side : {0.0f, 1e9f}) g.push_back(sign * std::nextafter(edge, side));
  for (float v : random_floats(400, 1, 1)) g.push_back(v);
  for (float v : random_floats(400, 2, 30)) g.push_back(v);
  const auto up = std::vector<float>(g.size(), 1.0f);
  for (const std::string& isa : cpu_isas()) {
    Device device(isa, 1);
    OwnedActivations silu(1, uint32_t(g.size())), gelu(1, uint32_t(g.size()));
    run_gates(device, Activation::kSilu, g, up, silu);
    run_gates(device, Activation::kGeluTanh, g, up, gelu);
    for (size_t i = 0; i < g.size(); ++i) {
      CAPTURE(isa, g[i]);
      CHECK(silu.f32[i] == words_silu(g[i]));
      CHECK(gelu.f32[i] == words_gelu(g[i]));
      // The words themselves, against doubles: the argument of exp may be rounded once or twice.
      const double v = g[i], e = std::exp(std::clamp(-v, -87.0, 88.0));
      CHECK(silu.f32[i] == Approx(v / (1 + e)).epsilon(1e-6).margin(1e-44));
    }
  }
}

TEST_CASE("the weight of a far lower logit is exp of the difference, -87 at least, inside a block and across two",
          "[backends][numerics][attend]") {
  const uint32_t d = 4;
  const std::vector<float> q = {1, 0, 0, 0};
  for (const std::string& isa : cpu_isas()) {
    Device device(isa, 1);
    for (const uint32_t last : {1u, 256u})  // slots 0 … last - 1 have logit -difference, slot `last` 0
      for (const double difference : {0.0, 1.0, 19.0, 20.0, 21.0, 50.0, 80.0, 86.0, 87.0, 88.0, 100.0, 500.0}) {
        Cache cache(KvType::kQ8, 1, 1, d, 512);
        for (uint32_t s = 0; s <= last; ++s) {
          const int8_t key[4] = {int8_t(s < last ? -127 : 0), 0, 0, 0}, value[4] = {int8_t(s == 0 ? 127 : 0), 0, 0, 0};
          std::memcpy(&cache.keys[0][s / 16 * 64 + s % 16 * 4], key, 4);
          std::memcpy(&cache.values[0][s * d], value, 4);
          cache.key_scales[0][s] = cache.value_scales[0][s] = 0x3c00;  // 1
        }
        const SequenceRows sequence = cache.rows(0, 1, last);
        StepRows rows;
        rows.n_rows = 1, rows.sequences = {&sequence, 1};
        OwnedActivations out(1, d);
        AttendPhase p;
        p.q = q.data(), p.n_heads = p.n_kv_heads = 1, p.head_dim = d, p.scale = float(difference / 127),
        p.out = out.view;
        device.run({{&rows, p}});
        const double weight = std::exp(std::max(-difference, -87.0));
        CAPTURE(isa, last, difference);
        CHECK(out.f32[0] == Approx(127 * weight / (1 + last * weight)).epsilon(2e-7 * difference + 1e-6));
      }
  }
}

TEST_CASE("norms have the bits of their 16 partial sums", "[backends][numerics][norm]") {
  for (const uint32_t d : {1u, 15u, 16u, 17u, 100u}) {
    const auto x = random_floats(d, d, 3), norm = random_floats(d, d + 1);
    const Identity identity(d);
    const uint32_t index[] = {0};
    for (const std::string& isa : cpu_isas()) {
      Device device(isa, 1);
      std::vector<float> h(d);
      StepRows rows;
      rows.n_rows = 1;
      HeadPhase p;
      p.in.x = x.data(), p.in.norm = norm.data(), p.in.eps = 1e-5f, p.in.d_model = d;
      p.row_index = index, p.head = identity.view(), p.n_vocab = d, p.logits = h.data();
      device.run({{&rows, p}});
      CAPTURE(isa, d);
      CHECK(h == words_norm(x, norm, 1e-5f));
    }
  }
}

TEST_CASE("float weights are summed in 4 partials", "[backends][numerics][project]") {
  const uint32_t out = 21, cols = 103;
  FloatMatrix w(out, cols);
  const auto values = random_floats(out * cols, 1), x = random_floats(cols, 2);
  std::vector<float> wanted;
  for (uint32_t o = 0; o < out; ++o) {
    float p[4] = {};
    for (uint32_t k = 0; k < cols; ++k) {
      w.at(o, k) = values[o * cols + k];
      p[k % 4] = std::fma(w.at(o, k), x[k], p[k % 4]);
    }
    wanted.push_back((p[0] + p[1]) + (p[2] + p[3]));
  }
  OwnedActivations in(1, cols);
  in.set(x, 1);
  for (const std::string& isa : cpu_isas()) {
    Device device(isa, 1);
    std::vector<float> dest(out);
    StepRows rows;
    rows.n_rows = 1;
    ProjectPhase p;
    p.in = in.view, p.w = w.view(), p.dest = dest.data(), p.accumulate = false;
    device.run({{&rows, p}});
    CAPTURE(isa);
    CHECK(dest == wanted);
  }
}

TEST_CASE("a bias is added to the product before the residual", "[backends][numerics][project]") {
  const uint32_t out = 150, cols = 96, n = 3;
  const TestMatrix w(format_named("F16 8"), out, cols, 1);
  const auto bias = random_floats(out, 2), residual = random_floats(n * out, 3, 7);
  OwnedActivations in(n, cols);
  in.set(random_floats(n * cols, 4), n);
  for (const std::string& name : every_device()) {
    Device device(name, 2);
    std::vector<float> value(n * out), dest = residual, wanted;
    StepRows rows;
    rows.n_rows = n;
    ProjectPhase p;
    p.in = in.view, p.w = w.view(), p.dest = value.data(), p.accumulate = false;
    device.run({{&rows, p}});
    p.dest = dest.data(), p.bias = bias.data(), p.accumulate = true;
    device.run({{&rows, p}});
    for (uint32_t i = 0; i < n * out; ++i) wanted.push_back(residual[i] + (value[i] + bias[i % out]));
    INFO(name);
    CHECK(dest == wanted);
  }
}

TEST_CASE("rope multiplies the sine's part first and rounds it", "[backends][numerics][qkv]") {
  const uint32_t d = 50, half = 21;
  const auto q = random_floats(d, 1), cos = random_floats(half, 2), sin = random_floats(half, 3);
  std::vector<float> wanted = q;
  for (uint32_t j = 0; j < half; ++j) {
    wanted[j] = std::fma(q[j], cos[j], -(q[j + half] * sin[j]));
    wanted[j + half] = std::fma(q[j], sin[j], q[j + half] * cos[j]);
  }
  for (const std::string& isa : cpu_isas()) {
    Device device(isa, 1);
    const Cache cache(KvType::kQ8, 1, 1, d, 256);
    std::vector<float> got(d);
    run_qkv(device, q, q, q, {cos.data(), sin.data(), half}, cache, 0, got.data());
    CAPTURE(isa);
    CHECK(got == wanted);
  }
}

TEST_CASE("keys and values are stored with the nearest float16 scale, ties to even, from nothing to the largest",
          "[backends][numerics][qkv]") {
  std::vector<float> largest = {0, 1e-40f, 1, 127, 3.5f, 1e-3f, 1e-6f, 1e9f, 1e30f};
  for (double scale :
       {0x1p-25,          0x1.001p-25,      0x1.8p-24,        0x1.4p-23, 0x1.cp-23, 1022.5 * 0x1p-24, 1023.5 * 0x1p-24,
        0x1p-14,          1024.5 * 0x1p-24, 1025.5 * 0x1p-24, 1024.5,    1025.5,    1026.5,           2047.5,
        1024.5 * 0x1p-12, 1025.5 * 0x1p-12, 65504.0,          65519.0,   65520.0,   65536.0})
    for (int side : {-1, 0, 1}) {
      const float amax = float(127 * scale);
      largest.push_back(side == 0 ? amax : std::nextafter(amax, side * 1e30f));
    }
  const uint32_t d = 34;  // 32 channels that are rotated, and 2
  for (const std::string& isa : cpu_isas()) {
    Device device(isa, 1);
    const Cache cache(KvType::kQ8, 1, 1, d, 256);
    for (uint32_t i = 0; i < largest.size(); ++i) {
      auto k = random_floats(d, i, largest[i] / 32), v = random_floats(d, 1000 + i, largest[i]);
      k[32] = -largest[i], k[33] = largest[i] * 0.3f, v[20] = largest[i];
      std::vector<float> q(d);
      run_qkv(device, q, k, v, {}, cache, i, q.data());

      const auto key_code = [&](uint32_t c) {
        return int(int8_t(cache.keys[0][(size_t(i / 16) * 9 + c / 4) * 64 + i % 16 * 4 + c % 4]));
      };
      const Group value = words_cache(v), first = words_cache(words_rotate({k.begin(), k.begin() + 32})),
                  second = words_cache({k.begin() + 32, k.end()});
      CAPTURE(isa, largest[i]);
      CHECK(half_value(cache.value_scales[0][i]) == value.scale);
      CHECK(half_value(cache.key_scales[0][i / 16 * 32 + i % 16]) == first.scale);
      CHECK(half_value(cache.key_scales[0][i / 16 * 32 + 16 + i % 16]) == second.scale);
      for (uint32_t c = 0; c < d; ++c) {
        CHECK(int(int8_t(cache.values[0][i * d + c])) == value.codes[c]);
        CHECK(key_code(c) == (c < 32 ? first.codes[c] : second.codes[c - 32]));
      }
    }
  }
}

TEST_CASE("activations below 2^-100 count as zero, and every code is the nearest by 127 / amax",
          "[backends][numerics][gate]") {
  // silu(32) is 32 exactly.
  std::vector<float> largest = {0,
                                1e-40f,
                                0x1p-126f,
                                0x1p-101f,
                                std::nextafter(0x1p-100f, 0.0f),
                                0x1p-100f,
                                std::nextafter(0x1p-100f, 1.0f),
                                0x1p-99f,
                                1,
                                127,
                                1e30f,
                                3e38f};
  for (float v : random_floats(20, 1, 50)) largest.push_back(std::fabs(v));
  std::vector<float> wanted;
  for (size_t g = 0; g < largest.size(); ++g)
    for (int i = 0; i < 32; ++i)  // codes next to a tie, where the rounding of 127 / amax shows
      wanted.push_back(i == 0 ? largest[g] : float((i * 4 - 63.5) * largest[g] / 127));
  std::vector<float> up;
  for (float v : wanted) up.push_back(v / 32);
  const auto gate = std::vector<float>(wanted.size(), 32.0f);
  for (const std::string& isa : cpu_isas()) {
    Device device(isa, 1);
    OwnedActivations out(1, uint32_t(wanted.size())), words(1, uint32_t(wanted.size()));
    run_gates(device, Activation::kSilu, gate, up, out);
    CAPTURE(isa);
    for (size_t i = 3 * 32; i < wanted.size(); ++i) CHECK(out.f32[i] == wanted[i]);  // denormal weights lose digits
    words.set(out.f32, 1);
    CHECK(same_bits(out.scale, words.scale));
    CHECK(same_bits(out.q8, words.q8));
    CHECK(same_bits(out.sum16, words.sum16));
  }
}

}  // namespace sluice::test
