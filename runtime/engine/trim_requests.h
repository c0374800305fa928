// SPDX-License-Identifier: Apache-2.0
// Budgets that other threads ask for while an engine computes. It serves them where a step can pause; what a budget
// means is the engine's business.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <vector>

#include "base/result.h"

namespace sluice {

class TrimRequests {
 public:
  // Lives where the asking thread waits for it.
  struct Request {
    uint64_t bytes = 0;
    bool done = false, no_memory = false;  // no_memory: std::bad_alloc is the answer
    Status status{};
  };

  void post(Request& request) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(&request);
    any_.store(true, std::memory_order_release);
  }

  // True once the request was served; then it may end.
  bool wait(Request& request, std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    return served_.wait_for(lock, at_most, [&] { return request.done; });
  }

  // The engine's side. Costs a load when nobody asks.
  template <class Serve>
  void serve(Serve serve) {
    if (!any_.load(std::memory_order_acquire)) return;
    std::lock_guard lock(mutex_);
    for (Request* request : waiting_) {
      try {
        request->status = serve(request->bytes);
      } catch (const std::bad_alloc&) {
        request->no_memory = true;
      }
      request->done = true;
    }
    waiting_.clear();
    any_.store(false, std::memory_order_relaxed);
    served_.notify_all();
  }

 private:
  std::atomic<bool> any_{false};
  std::mutex mutex_;  // of all below, and of the requests
  std::condition_variable served_;
  std::vector<Request*> waiting_;
};

}  // namespace sluice
