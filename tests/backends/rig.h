// SPDX-License-Identifier: Apache-2.0
// What a backend test needs around a phase: a pool, a prepared backend, activations, a cache.
#pragma once
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "packing.h"
#include "support/catch.h"

namespace sluice::test {

inline std::vector<float> random_floats(size_t n, uint32_t seed, float range = 1.0f) {
  std::mt19937 rng(seed);
  std::vector<float> v(n);
  for (float& x : v) x = (float(rng() % 200001) / 100000.0f - 1.0f) * range;
  return v;
}

// "reference", or an ISA of the cpu backend.
struct Device {
  Device(const std::string& name, int n_threads) : accountant(0) {
    auto made = ThreadPool::create(n_threads);
    REQUIRE(made.ok());
    pool = std::move(*made);
    auto b = name == "reference" ? create_backend(name, *pool) : create_cpu_backend(name, *pool);
    REQUIRE(b.ok());
    backend = std::move(*b);
    StepLimits limits;
    limits.max_rows = limits.max_out_rows = 64;
    limits.d_model = limits.max_cols = limits.max_heads_dim = limits.max_kv_heads_dim = 1024;
    limits.max_heads = 32, limits.max_head_dim = 256, limits.n_ctx = 1024, limits.n_vocab = 1024;
    REQUIRE(backend->prepare(limits, accountant).ok());
  }
  void run(const std::vector<Phase>& program) {
    auto ticket = backend->submit(program, {});
    REQUIRE(ticket.ok());
    REQUIRE(backend->wait(*ticket).ok());
  }
  bool f32() const { return backend->info().f32_activations; }

  Accountant accountant;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Backend> backend;
};

inline std::vector<std::string> every_device() {
  std::vector<std::string> names = cpu_isas();
  names.push_back("reference");
  return names;
}

// A matrix in F32 whose weights are set one by one; zeros at first.
class FloatMatrix {
 public:
  FloatMatrix(uint32_t rows, uint32_t cols)
      : format_(float_format(CodeKind::kF32)), values_(size_t(rows + 15) / 16 * 16 * cols, 0.0f) {
    chunk_ = reinterpret_cast<const std::byte*>(values_.data());
    view_.format = &format_, view_.rows = rows, view_.cols = cols, view_.chunks = &chunk_;
    view_.strips_per_chunk = (rows + 15) / 16, view_.strip_stride = cols * 64;
  }
  FloatMatrix(const FloatMatrix&) = delete;
  float& at(uint32_t row, uint32_t k) { return values_[(size_t(row / 16) * view_.cols + k) * 16 + row % 16]; }
  const Matrix& view() const { return view_; }

 private:
  WeightFormat format_;
  std::vector<float> values_;
  const std::byte* chunk_;
  Matrix view_;
};

// So that a phase shows its input.
struct Identity : FloatMatrix {
  explicit Identity(uint32_t n) : FloatMatrix(n, n) {
    for (uint32_t i = 0; i < n; ++i) at(i, i) = 1;
  }
};

// Owns the memory of an Activations. Filled with garbage, so that what is not written shows.
struct OwnedActivations {
  OwnedActivations(uint32_t n_rows, uint32_t cols) {
    view.cols = cols;
    f32.assign(size_t(n_rows) * cols, -77.0f);
    q8.assign(size_t(n_rows) * view.padded_cols(), 77);
    scale.assign(size_t(n_rows) * view.n_groups(), 77.0f);
    sum16.assign(size_t(n_rows) * view.n_groups() * 2, 77);
    view.f32 = f32.data(), view.q8 = q8.data(), view.scale = scale.data(), view.sum16 = sum16.data();
  }
  // f32 and its int8 form, quantized as docs/NUMERICS.md says.
  void set(const std::vector<float>& x, uint32_t n_rows) {
    f32 = x;
    view.f32 = f32.data();
    const uint32_t n_groups = view.n_groups();
    for (uint32_t r = 0; r < n_rows; ++r)
      for (uint32_t g = 0; g < n_groups; ++g) {
        float group[32] = {}, amax = 0;
        for (uint32_t i = 0; i < 32 && 32 * g + i < view.cols; ++i) {
          group[i] = x[size_t(r) * view.cols + 32 * g + i];
          amax = std::max(amax, std::fabs(group[i]));
        }
        const size_t at = size_t(r) * n_groups + g;
        scale[at] = amax >= 0x1p-100f ? amax / 127.0f : 0.0f;
        const float inv = amax >= 0x1p-100f ? 127.0f / amax : 0.0f;
        sum16[2 * at] = sum16[2 * at + 1] = 0;
        for (uint32_t i = 0; i < 32; ++i) {
          const int q = int(std::nearbyint(std::min(127.0f, std::max(-127.0f, group[i] * inv))));
          q8[size_t(r) * view.padded_cols() + 32 * g + i] = int8_t(q);
          sum16[2 * at + i / 16] += q;
        }
      }
  }
  // Value of the int8 form.
  float value(uint32_t r, uint32_t c) const {
    return scale[size_t(r) * view.n_groups() + c / 32] * float(q8[size_t(r) * view.padded_cols() + c]);
  }

  Activations view;
  std::vector<float> f32, scale;
  std::vector<int8_t> q8;
  std::vector<int32_t> sum16;
};

// One session's cache of one layer type, either kind.
struct Cache {
  Cache(KvType type, uint32_t n_layers, uint32_t n_kv_heads, uint32_t head_dim, uint32_t n_slots) {
    const size_t slots = size_t(n_kv_heads) * n_slots, groups = (head_dim + 31) / 32, dim4 = (head_dim + 3) / 4;
    const size_t unit = type == KvType::kF32 ? 4 * slots * head_dim : slots * dim4 * 4;
    const size_t value_bytes = type == KvType::kF32 ? unit : slots * head_dim;
    for (uint32_t l = 0; l < n_layers; ++l) {
      // Garbage in free slots must never show: scales of NaN, codes of -127.
      keys.emplace_back(unit, std::byte{0x81});
      values.emplace_back(value_bytes, std::byte{0x81});
      key_scales.emplace_back(slots * groups, uint16_t{0x7e01});
      value_scales.emplace_back(slots, uint16_t{0x7e01});
    }
    this->type = type, this->n_slots = n_slots;
    point();
  }
  Cache(const Cache& other)
      : type(other.type),
        n_slots(other.n_slots),
        keys(other.keys),
        values(other.values),
        key_scales(other.key_scales),
        value_scales(other.value_scales) {
    point();
  }
  void point() {
    for (size_t l = 0; l < keys.size(); ++l)
      layers.push_back({keys[l].data(), values[l].data(), key_scales[l].data(), value_scales[l].data()});
  }
  SequenceRows rows(uint32_t first_row, uint32_t n_rows, uint32_t pos) const {
    SequenceRows s;
    s.first_row = first_row, s.n_rows = n_rows, s.pos = pos, s.n_slots = n_slots, s.kv_type = type;
    s.layers = layers.data();
    return s;
  }

  KvType type;
  uint32_t n_slots;
  std::vector<std::vector<std::byte>> keys, values;
  std::vector<std::vector<uint16_t>> key_scales, value_scales;
  std::vector<KvLayer> layers;
};

// Largest |a - b| over the largest |b|.
template <class A, class B>
double relative_error(const A& a, const B& b) {
  double worst = 0, size = 1e-30;
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    REQUIRE(std::isfinite(double(a[i])));
    worst = std::max(worst, std::fabs(double(a[i]) - double(b[i])));
    size = std::max(size, std::fabs(double(b[i])));
  }
  return worst / size;
}

// Root mean square of a - b over that of b.
template <class A, class B>
double rms_error(const A& a, const B& b) {
  double difference = 0, size = 1e-30;
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (double(a[i]) - double(b[i])) * (double(a[i]) - double(b[i]));
    size += double(b[i]) * double(b[i]);
  }
  return std::sqrt(difference / size);
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace sluice::test
