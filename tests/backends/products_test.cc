// SPDX-License-Identifier: Apache-2.0
// Gather and the matrix products of single phases: values against the packer's, bits against the scalar path.
#include "backends/probe.h"
#include "rig.h"

namespace sluice::test {

namespace {

constexpr uint32_t kRowCounts[] = {1, 2, 3, 7, 16, 33};

std::vector<float> project(Device& device, const TestMatrix& w, const OwnedActivations& in, uint32_t n_rows,
                           UnitRange strips = {}, std::vector<float> dest = {}, const float* bias = nullptr) {
  const bool accumulate = !dest.empty();
  if (!accumulate) dest.assign(size_t(n_rows) * w.rows(), -5.0f);
  StepRows rows;
  rows.n_rows = n_rows;
  ProjectPhase p;
  p.in = in.view, p.w = w.view(), p.dest = dest.data(), p.accumulate = accumulate, p.strips = strips, p.bias = bias;
  device.run({{&rows, p}});
  return dest;
}

}  // namespace

TEST_CASE("gather gives every weight of every format exactly, tiled and row-major", "[backends][gather]") {
  for (const NamedFormat& f : all_formats())
    for (const auto& [lanes, tiny] : {std::pair{16u, false}, {1u, false}, {16u, true}, {1u, true}}) {
      const uint32_t n_rows = 21, cols = 300;
      const TestMatrix m(f.format, n_rows, cols, 7, lanes, 2, 0, tiny);
      std::vector<GatherRow> rows;
      for (uint32_t r = 0; r < n_rows; ++r) rows.push_back(m.gather_row(r));
      for (const std::string& name : every_device()) {
        INFO(f.name << ", " << lanes << " lanes, " << name << (tiny ? ", denormal scales" : ""));
        Device device(name, 2);
        std::vector<float> x(size_t(n_rows) * cols, 9.0f);
        StepRows step;
        step.n_rows = n_rows;
        GatherPhase p;
        p.format = &f.format, p.rows = rows, p.cols = cols, p.scale = 1.5f, p.x = x.data();
        device.run({{&step, p}});
        bool equal = true;
        for (uint32_t r = 0; r < n_rows; ++r)
          for (uint32_t k = 0; k < cols; ++k) equal &= x[size_t(r) * cols + k] == m.value(r, k) * 1.5f;
        CHECK(equal);
      }
    }
}

TEST_CASE("a projection equals the product of the weights with the rounded activations", "[backends][project]") {
  for (const NamedFormat& f : all_formats())
    for (const bool tiny : {false, true}) {
      const uint32_t n_rows = 3, cols = 320, out = 37;
      const TestMatrix w(f.format, out, cols, 11, 16, 2, 0, tiny);
      OwnedActivations in(n_rows, cols);
      in.set(random_floats(size_t(n_rows) * cols, 3), n_rows);
      const bool floats = f.format.scale == ScaleKind::kNone;
      for (const std::string& name : every_device()) {
        Device device(name, 2);
        std::vector<double> wanted;
        for (uint32_t r = 0; r < n_rows; ++r)
          for (uint32_t o = 0; o < out; ++o) {
            double sum = 0;
            for (uint32_t k = 0; k < cols; ++k)
              sum += double(w.value(o, k)) *
                     double(device.f32() || floats ? in.f32[size_t(r) * cols + k] : in.value(r, k));
            wanted.push_back(sum);
          }
        INFO(f.name << ", " << name << (tiny ? ", denormal scales" : ""));
        CHECK(relative_error(project(device, w, in, n_rows), wanted) < 2e-6);  // rounding of float32 sums
      }
    }
}

TEST_CASE("every ISA, thread count and number of rows gives the scalar path's bits in a projection",
          "[backends][project][isa]") {
  Device scalar("scalar", 1);
  for (const NamedFormat& f : all_formats())
    for (uint32_t cols : {64u, 320u, 576u})
      for (uint32_t out : {5u, 48u, 119u}) {
        const TestMatrix w(f.format, out, cols, cols + out, 16, 3, 128);
        OwnedActivations in(33, cols);
        in.set(random_floats(33 * size_t(cols), cols), 33);
        const std::vector<float> bias = random_floats(out, 5);
        // Row by row: batched must equal alone.
        std::vector<float> wanted;
        for (uint32_t r = 0; r < 33; ++r) {
          OwnedActivations one(1, cols);
          one.set({in.f32.begin() + r * cols, in.f32.begin() + (r + 1) * cols}, 1);
          for (float v : project(scalar, w, one, 1, {}, std::vector<float>(out, 0.25f), bias.data()))
            wanted.push_back(v);
        }
        for (const std::string& isa : cpu_isas())
          for (int threads : {1, 2, 3}) {
            Device device(isa, threads);
            for (uint32_t n : kRowCounts) {
              INFO(f.name << ", " << cols << " -> " << out << ", " << isa << ", " << threads << " threads, " << n
                          << " rows");
              const auto got = project(device, w, in, n, {}, std::vector<float>(size_t(n) * out, 0.25f), bias.data());
              CHECK(same_bits(got, {wanted.begin(), wanted.begin() + n * out}));
            }
          }
      }
}

TEST_CASE("a projection in ranges of strips equals the whole, and writes only its range", "[backends][project]") {
  for (const std::string& name : every_device()) {
    Device device(name, 2);
    for (uint32_t n : {1u, 5u}) {
      const TestMatrix w(all_formats()[3].format, 70, 128, 2);
      OwnedActivations in(n, 128);
      in.set(random_floats(n * 128, 1), n);
      const std::vector<float> start(n * 70, 0.5f);
      const auto whole = project(device, w, in, n, {}, start);
      auto parts = project(device, w, in, n, {0, 2}, start);
      for (uint32_t r = 0; r < n; ++r)
        for (uint32_t o = 0; o < 70; ++o) CHECK((parts[r * 70 + o] == 0.5f) == (o >= 32));
      parts = project(device, w, in, n, {2, 5}, parts);
      CHECK(same_bits(parts, whole));
    }
  }
}

TEST_CASE("two K ranges of a projection add up to the whole", "[backends][project]") {
  for (const NamedFormat& f : all_formats()) {
    const TestMatrix w(f.format, 20, 600, 4);
    for (const std::string& name : every_device()) {
      Device device(name, 2);
      OwnedActivations in(2, 600);
      in.set(random_floats(1200, 8), 2);
      const auto whole = project(device, w, in, 2);
      for (const uint32_t last : {600u, ~0u}) {  // both mean the end
        std::vector<float> sum(40, 0.0f);
        StepRows rows;
        rows.n_rows = 2;
        for (auto [begin, end] : {std::pair{0u, 256u}, {256u, last}}) {
          ProjectPhase p;
          p.in = in.view, p.w = w.view(), p.dest = sum.data(), p.k_begin = begin, p.k_end = end;
          device.run({{&rows, p}});
        }
        INFO(f.name << ", " << name << ", to " << last);
        CHECK(relative_error(sum, whole) < 1e-6);
      }
    }
  }
}

TEST_CASE("a projection adds its bias once and stores or accumulates as told", "[backends][project]") {
  const TestMatrix w(float_format(CodeKind::kF32), 3, 64, 4);
  OwnedActivations in(1, 64);
  in.set(std::vector<float>(64, 0.0f), 1);
  const float bias[3] = {1, 2, 4};
  for (const std::string& name : every_device()) {
    Device device(name, 1);
    CHECK(project(device, w, in, 1, {}, {}, bias) == std::vector<float>{1, 2, 4});
    CHECK(project(device, w, in, 1, {}, {10, 20, 30}, bias) == std::vector<float>{11, 22, 34});
  }
}

TEST_CASE("a weight format nobody can compute is refused by name", "[backends]") {
  WeightFormat odd = all_formats()[0].format;
  odd.code_bits = 7;
  for (const std::string& name : every_device()) {
    Device device(name, 1);
    for (const NamedFormat& f : all_formats()) CHECK(device.backend->supports(f.format).ok());
    const Status status = device.backend->supports(odd);
    REQUIRE(!status.ok());
    CHECK(status.error().code == Code::kBadModel);
  }
}

TEST_CASE("the machine is measured with the instructions asked for", "[backends][probe]") {
  auto pool = ThreadPool::create(2);
  REQUIRE(pool.ok());
  const std::vector<std::byte> memory(size_t{1} << 20, std::byte{1});
  for (const std::string& isa : cpu_isas()) {
    const Probe probe = probe_pool(isa, **pool, memory);
    CHECK(probe.isa == isa);
    CHECK(probe.read_GB_s > 0);
    CHECK(probe.int8_GMAC_s > 0);
  }
  CHECK(probe_pool("quantum", **pool, memory).isa.empty());
}

TEST_CASE("an ISA this CPU lacks is refused with the list of those it has", "[backends][isa]") {
  auto pool = ThreadPool::create(1);
  auto backend = create_cpu_backend("quantum", **pool);
  REQUIRE(!backend.ok());
  CHECK(backend.error().code == Code::kNoDevice);
  CHECK(backend.error().message.find("scalar") != std::string::npos);
  auto device = create_backend("toaster", **pool);
  REQUIRE(!device.ok());
  CHECK(device.error().code == Code::kNoDevice);
  CHECK(device.error().message.find("reference") != std::string::npos);
}

}  // namespace sluice::test
