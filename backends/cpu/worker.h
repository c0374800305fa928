// SPDX-License-Identifier: Apache-2.0
// One thread's view of a step: its number, its scratch, and share(), which deals out the items of a phase. Every phase
// is a function run by all threads together; docs/NUMERICS.md makes its result independent of who does what.
#pragma once
#include <atomic>

#include "backends/backend.h"
#include "backends/cpu/formats.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/scratch.h"

namespace sluice::cpu {

// What a step's threads have in common.
struct Team {
  ThreadPool* pool = nullptr;
  const Kernels* kernels = nullptr;
  Scratch scratch;
  // One counter is in use, one is being left, one is cleared for the next share().
  struct alignas(64) Counter {
    std::atomic<uint32_t> next{0};
  };
  Counter counters[3];
};

class Worker {
 public:
  Worker(Team& team, int thread) : team_(team), thread_(uint32_t(thread)), n_(uint32_t(team.pool->size())) {}

  const Kernels& kernels() const { return *team_.kernels; }
  Scratch& shared() const { return team_.scratch; }
  ThreadScratch& own() const { return team_.scratch.threads[thread_]; }
  bool first() const { return thread_ == 0; }
  void barrier() { team_.pool->barrier(int(thread_)); }

  // fn(begin, end) over items 0 … n-1, then a barrier. Three quarters go out in fixed contiguous ranges (one linear
  // stream of weights per thread), the rest to whoever comes first.
  template <class Fn>
  void share(uint32_t n, Fn fn) {
    if (n_ == 1) {
      if (n > 0) fn(0u, n);
      return;
    }
    std::atomic<uint32_t>& next = team_.counters[turn_ % 3].next;
    if (first()) team_.counters[(turn_ + 1) % 3].next.store(0, std::memory_order_relaxed);
    ++turn_;
    const uint32_t fixed = uint32_t(uint64_t{n} * 3 / 4 / n_), rest = n - fixed * n_;
    if (fixed > 0) fn(fixed * thread_, fixed * (thread_ + 1));
    const uint32_t grain = rest / (8 * n_) + 1;
    for (;;) {
      const uint32_t i = next.fetch_add(grain, std::memory_order_relaxed);
      if (i >= rest) break;
      fn(fixed * n_ + i, fixed * n_ + (i + grain < rest ? i + grain : rest));
    }
    barrier();
  }

 private:
  Team& team_;
  uint32_t thread_, n_;
  uint32_t turn_ = 0;
};

// A matrix ready to multiply: which kernel, which blocks.
struct Product {
  Product(const Worker& w, const Matrix& m, uint32_t k_begin = 0, uint32_t k_end = ~uint32_t{0});

  // out[c * 16 + lane] of strip s.
  void strip(uint32_t s, const Panel& panel, float* out) const;

  const Matrix& matrix;
  void (*dot)(const Strip&, const Panel&, float*);
  bool float_weights;
  uint32_t begin, end;  // blocks
};

// Runs the prologue for `n` rows (row i of the result is row `index ? index[i] : i` of the step) and returns h. A
// single row is computed by every thread for itself, so no barrier is needed; more rows are shared out.
Rows prologue(Worker& w, const Prologue& p, uint32_t n_step_rows, const uint32_t* index, uint32_t n, bool int8,
              bool floats);
// The rows of `in` as panels.
Rows load_rows(Worker& w, const Activations& in, uint32_t n_rows, bool float_weights);
// The padding groups too when `end` is the row's end; begin must be a multiple of 32.
void quantize_channels(Worker& w, const Activations& a, uint32_t row, uint32_t begin, uint32_t end);

// The sequence that step row `row` belongs to.
const SequenceRows& sequence_of(const StepRows& rows, uint32_t row);

void gather(Worker& w, const GatherPhase& p);
void qkv(Worker& w, const StepRows& rows, const QkvPhase& p);
void attend(Worker& w, const StepRows& rows, const AttendPhase& p);
void project(Worker& w, const StepRows& rows, const ProjectPhase& p);
void gate_up(Worker& w, const StepRows& rows, const GateUpPhase& p);
void head(Worker& w, const StepRows& rows, const HeadPhase& p);

}  // namespace sluice::cpu
