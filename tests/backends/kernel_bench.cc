// SPDX-License-Identifier: Apache-2.0
// Speed of single phases, by hand: `backends_kernel_bench [threads] [isa] [rows]`. Not a test; nothing is asserted.
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "backends/probe.h"
#include "packing.h"

namespace sluice::test {
namespace {

int pool_size = 2;

// One thread is timed by its processor time, so that other work on the machine hardly shows.
double now() {
  timespec t;
  clock_gettime(pool_size == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + double(t.tv_nsec) * 1e-9;
}

std::unique_ptr<ThreadPool> pool;
std::unique_ptr<Backend> backend;
Accountant accountant(0);

template <class Fn>
double best_seconds(Fn fn, double budget = 0.4) {
  double best = 1e9, spent = 0;
  while (spent < budget) {
    const double start = now();
    fn();
    const double s = now() - start;
    best = std::min(best, s), spent += s;
  }
  return best;
}

struct Buffers {
  Buffers(uint32_t rows, uint32_t cols) {
    a.cols = cols;
    f32.assign(size_t(rows) * cols, 0.1f), q8.assign(size_t(rows) * a.padded_cols(), 3);
    scale.assign(size_t(rows) * a.n_groups(), 0.01f), sums.assign(size_t(rows) * a.n_groups() * 2, 48);
    a.f32 = f32.data(), a.q8 = q8.data(), a.scale = scale.data(), a.sum16 = sums.data();
  }
  Activations a;
  std::vector<float> f32, scale;
  std::vector<int8_t> q8;
  std::vector<int32_t> sums;
};

// Each matrix is shown `copies` times, so that together they exceed the caches.
void products(uint32_t rows, uint32_t cols) {
  std::printf("%-18s", "format");
  for (uint32_t n : {1u, 2u, 4u, 8u, 16u, 64u}) std::printf("  %6u rows", n);
  std::printf("   (1 row: GB/s of weights; more: GMAC/s)\n");
  for (const NamedFormat& f : all_formats()) {
    const TestMatrix one(f.format, 512, cols, 1, 16, 8);
    const size_t bytes =
        size_t(f.format.block_bytes) * rows / 16 * ((cols + f.format.block_inputs - 1) / f.format.block_inputs);
    std::vector<std::byte> big(bytes);
    const Matrix small = one.view();
    for (size_t at = 0; at < bytes; at += small.strip_stride)
      std::memcpy(big.data() + at, small.strip(uint32_t(at / small.strip_stride % 32)), small.strip_stride);
    const std::byte* chunk = big.data();
    Matrix m = small;
    m.rows = rows, m.chunks = &chunk, m.strips_per_chunk = rows / 16;
    std::printf("%-18s", f.name.c_str());
    for (uint32_t n : {1u, 2u, 4u, 8u, 16u, 64u}) {
      Buffers in(n, cols);
      std::vector<float> dest(size_t(n) * rows);
      StepRows step;
      step.n_rows = n;
      ProjectPhase p;
      p.in = in.a, p.w = m, p.dest = dest.data();
      const Phase phase{&step, p};
      const double s = best_seconds([&] { (void)backend->submit({&phase, 1}, {}); }, 0.25);
      std::printf("  %11.1f", (n == 1 ? double(bytes) : double(rows) * cols * n) / s / 1e9);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
}

void attention(uint32_t n_heads, uint32_t n_kv_heads, uint32_t d, uint32_t depth, uint32_t n) {
  const uint32_t slots = (depth + n + 255) / 256 * 256;
  std::vector<std::byte> keys(size_t(n_kv_heads) * slots * d, std::byte{1}), values(keys);
  std::vector<uint16_t> ks(size_t(n_kv_heads) * slots * d / 32, 0x2000), vs(size_t(n_kv_heads) * slots, 0x2000);
  const KvLayer layer{keys.data(), values.data(), ks.data(), vs.data()};
  SequenceRows seq;
  seq.n_rows = n, seq.pos = depth, seq.n_slots = slots, seq.layers = &layer;
  StepRows step;
  step.n_rows = n, step.sequences = {&seq, 1};
  Buffers out(n, n_heads * d);
  std::vector<float> q(size_t(n) * n_heads * d, 0.5f);
  AttendPhase p;
  p.q = q.data(), p.n_heads = n_heads, p.n_kv_heads = n_kv_heads, p.head_dim = d, p.out = out.a;
  const Phase phase{&step, p};
  const double s = best_seconds([&] { (void)backend->submit({&phase, 1}, {}); }, 0.25);
  const double mac = 2.0 * n * n_heads * d * (depth + n / 2.0);
  std::printf("attend %u/%u heads of %u, %u rows at depth %u: %.1f us, %.1f GMAC/s, cache %.1f GB/s\n", n_heads,
              n_kv_heads, d, n, depth, s * 1e6, mac / s / 1e9, 2.0 * n_kv_heads * d * (depth + n) / s / 1e9);
}

int run(int argc, char** argv) {
  if (argc > 1) pool_size = std::max(1, std::atoi(argv[1]));
  auto threads = ThreadPool::create(pool_size);
  if (!threads.ok()) return 1;
  pool = std::move(*threads);
  auto made = create_cpu_backend(argc > 2 ? argv[2] : cpu_isas().back(), *pool);
  if (!made.ok()) return std::puts(made.error().text().c_str()), 1;
  backend = std::move(*made);
  StepLimits l;
  l.max_rows = l.max_out_rows = 512, l.d_model = l.max_cols = l.max_heads_dim = l.max_kv_heads_dim = 2048;
  l.max_heads = 32, l.max_head_dim = 256, l.n_ctx = 8192;
  if (!backend->prepare(l, accountant).ok()) return 1;
  std::vector<std::byte> memory(size_t{256} << 20, std::byte{1});
  const Probe probe = probe_pool(backend->info().isa, *pool, memory);
  std::printf("%s, %d threads; read %.1f GB/s, int8 %.1f GMAC/s\n", backend->info().isa.c_str(), pool->size(),
              probe.read_GB_s, probe.int8_GMAC_s);
  products(argc > 3 ? uint32_t(std::atoi(argv[3])) / 512 * 512 : 65536, 1536);
  for (uint32_t n : {1u, 256u})
    for (uint32_t depth : {256u, 3840u})
      attention(9, 3, 64, depth, n), attention(12, 2, 128, depth, n), attention(4, 1, 256, depth, n);
  const StepRows none;
  std::vector<Phase> empty(1000);
  GatherPhase gather;
  for (Phase& phase : empty) phase = {&none, gather};
  const double s = best_seconds([&] { (void)backend->submit(empty, {}); });
  std::printf("barrier %.3f us\n", s * 1e6 / 1000);
  return 0;
}

}  // namespace
}  // namespace sluice::test

int main(int argc, char** argv) { return sluice::test::run(argc, argv); }
