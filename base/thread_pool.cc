// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <system_error>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/cpu_count.h"
#include "base/signals_blocked.h"

namespace sluice {

namespace {

constexpr std::chrono::microseconds kSpinTime{40};  // longer than a barrier between balanced threads takes
constexpr int kPausesPerLook = 32;                  // between two looks at the clock

inline void pause_cpu() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
  asm volatile("yield");
#endif
}

// A number that threads wait on: they spin shortly, then sleep. Sleepers are counted so that waking costs no system
// call while everybody spins. Sequentially consistent: either the waker sees the sleeper or the sleeper sees the
// change.
struct alignas(64) WaitWord {
  std::atomic<uint32_t> value{0};
  std::atomic<uint32_t> sleepers{0};

  void wake_all() {
    if (sleepers.load() != 0) syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  }

  void wait_while(uint32_t old) {
    const auto deadline = std::chrono::steady_clock::now() + kSpinTime;
    do {
      for (int i = 0; i < kPausesPerLook; ++i) {
        if (value.load(std::memory_order_acquire) != old) return;
        pause_cpu();
      }
    } while (std::chrono::steady_clock::now() < deadline);
    sleepers.fetch_add(1);
    while (value.load() == old) syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, old, nullptr, nullptr, 0);
    sleepers.fetch_sub(1);
  }
};

}  // namespace

struct ThreadPool::State {
  int n_threads = 1;
  std::vector<std::thread> workers;

  WaitWord epoch;     // incremented by each run()
  WaitWord finished;  // incremented when the last worker of a run is done
  WaitWord passed;    // barrier generation
  alignas(64) std::atomic<int> working{0};
  alignas(64) std::atomic<int> arrived{0};

  // Written by run() before the epoch changes.
  void (*fn)(void*, int) = nullptr;
  void* arg = nullptr;
  bool stop = false;

  void work(int thread) {
    for (uint32_t seen = 0;; ++seen) {
      epoch.wait_while(seen);
      if (stop) return;
      fn(arg, thread);
      if (working.fetch_sub(1) == 1) {
        finished.value.fetch_add(1);
        finished.wake_all();
      }
    }
  }

  void start_run() {
    epoch.value.fetch_add(1);
    epoch.wake_all();
  }

  void join() {
    stop = true;
    start_run();
    for (std::thread& worker : workers) worker.join();
  }
};

ThreadPool::ThreadPool() : state_(std::make_unique<State>()) {}

ThreadPool::~ThreadPool() { state_->join(); }

Result<std::unique_ptr<ThreadPool>> ThreadPool::create(int n_threads) {
  SLUICE_CHECK(n_threads >= 1);
  std::unique_ptr<ThreadPool> pool(new ThreadPool);
  State& state = *pool->state_;
  state.n_threads = n_threads;
  state.workers.reserve(size_t(n_threads - 1));
  const SignalsBlocked blocked;
  try {
    for (int t = 1; t < n_threads; ++t) state.workers.emplace_back([&state, t] { state.work(t); });
  } catch (const std::system_error& e) {
    return make_error(Code::kFailed, "", kNoOffset, "cannot start thread %zu of %d: %s", state.workers.size() + 2,
                      n_threads, e.code().message().c_str());
  }
  return pool;
}

int ThreadPool::size() const { return state_->n_threads; }

void ThreadPool::run(void (*fn)(void* arg, int thread), void* arg) {
  State& s = *state_;
  if (s.n_threads == 1) return fn(arg, 0);
  s.fn = fn;
  s.arg = arg;
  s.working.store(s.n_threads - 1);
  const uint32_t before = s.finished.value.load();
  s.start_run();
  fn(arg, 0);
  s.finished.wait_while(before);
}

void ThreadPool::barrier(int thread) {
  State& s = *state_;
  SLUICE_DCHECK(thread >= 0 && thread < s.n_threads);
  if (s.n_threads == 1) return;
  const uint32_t generation = s.passed.value.load();
  if (s.arrived.fetch_add(1) == s.n_threads - 1) {
    s.arrived.store(0);
    s.passed.value.fetch_add(1);
    s.passed.wake_all();
  } else {
    s.passed.wait_while(generation);
  }
}

int default_thread_count() { return usable_threads("", allowed_cpus()); }

}  // namespace sluice
