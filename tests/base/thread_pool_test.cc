// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <thread>
#include <vector>

#include "failing_allocation.h"
#include "support/catch.h"

namespace sluice {

namespace {

std::unique_ptr<ThreadPool> pool_of(int n) {
  auto pool = ThreadPool::create(n);
  REQUIRE(pool.ok());
  return std::move(pool).value();
}

template <class F>
void run(ThreadPool& pool, F f) {
  pool.run([](void* arg, int thread) { (*static_cast<F*>(arg))(thread); }, &f);
}

}  // namespace

TEST_CASE("every thread runs once in each run, and all have finished when it returns") {
  const int n = GENERATE(1, 2, 3, 8);
  auto pool = pool_of(n);
  CHECK(pool->size() == n);
  std::vector<int> calls(size_t(n) * 16);  // plain numbers: a race would be seen by the thread sanitizer
  for (int i = 0; i < 300; ++i) run(*pool, [&](int t) { ++calls[size_t(t) * 16]; });
  for (int t = 0; t < n; ++t) CHECK(calls[size_t(t) * 16] == 300);
}

TEST_CASE("the caller is thread 0") {
  auto pool = pool_of(3);
  std::thread::id id;
  run(*pool, [&](int t) {
    if (t == 0) id = std::this_thread::get_id();
  });
  CHECK(id == std::this_thread::get_id());
}

TEST_CASE("what a thread wrote before a barrier every thread reads after it") {
  const int n = GENERATE(2, 3, 5);
  auto pool = pool_of(n);
  std::vector<int> written(static_cast<size_t>(n));
  std::atomic<int> stale{0};
  run(*pool, [&](int t) {
    for (int step = 1; step <= 500; ++step) {
      written[size_t(t)] = step;
      pool->barrier(t);
      for (int other : written) stale += other != step;
      pool->barrier(t);
    }
  });
  CHECK(stale == 0);
}

TEST_CASE("threads that went to sleep wake up for the next run and at a late barrier") {
  auto pool = pool_of(3);
  std::atomic<int> sum{0};
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));  // far longer than anybody spins
    run(*pool, [&](int t) {
      if (t == i % 3) std::this_thread::sleep_for(std::chrono::milliseconds(3));
      pool->barrier(t);
      sum += t;
    });
  }
  CHECK(sum == 15);
}

TEST_CASE("workers leave signals to the program's own threads") {
  auto pool = pool_of(2);
  sigset_t blocked;
  sigemptyset(&blocked);
  run(*pool, [&](int t) {
    if (t == 1) pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
  });
  CHECK(sigismember(&blocked, SIGINT) == 1);
  sigset_t ours;
  pthread_sigmask(SIG_BLOCK, nullptr, &ours);
  CHECK(sigismember(&ours, SIGINT) == 0);
}

TEST_CASE("a pool that could not be made for want of memory leaves the caller's signals as they were") {
  size_t refused = 0;
  for (int k = 0; k < 40; ++k) {
    allocations_left = k;
    try {
      ThreadPool::create(3).ok();
    } catch (const std::bad_alloc&) {
      ++refused;
    }
    allocations_left = -1;
    sigset_t ours;
    pthread_sigmask(SIG_BLOCK, nullptr, &ours);
    REQUIRE(sigismember(&ours, SIGINT) == 0);
  }
  CHECK(refused >= 3);  // the pool, its state, its threads
}

TEST_CASE("pools come and go without use and side by side") {
  for (int i = 0; i < 50; ++i) {
    auto a = pool_of(3), b = pool_of(2);
    int x = 0;
    if (i % 2 == 0)
      run(*b, [&](int t) {
        if (t == 1) x = 1;
      });
    CHECK(x == (i % 2 == 0 ? 1 : 0));
  }
}

}  // namespace sluice
