// SPDX-License-Identifier: Apache-2.0
// The pool that computes a step. run() hands one function to all threads, the caller is thread 0; barrier() meets them
// inside. Workers spin for a short bounded time and then sleep on a futex, so a second busy process costs little.
#pragma once
#include <cstdint>
#include <memory>

#include "base/result.h"

namespace sluice {

class ThreadPool {
 public:
  // n_threads >= 1, including the caller. kFailed when threads cannot be started.
  static Result<std::unique_ptr<ThreadPool>> create(int n_threads);
  ~ThreadPool();

  int size() const;

  // Calls fn(arg, thread) for thread = 0 … size()-1, returns when all have returned. One caller at a time, not reentrant.
  // Allocates nothing.
  void run(void (*fn)(void* arg, int thread), void* arg);

  // Inside run(): waits until all threads of the pool are here. All memory written before is visible after.
  void barrier(int thread);

 private:
  ThreadPool();
  struct State;
  std::unique_ptr<State> state_;
};

// Threads that compute well together here: physical cores allowed to this process (affinity and cgroup quota), at least 1.
int default_thread_count();

}  // namespace sluice
