// SPDX-License-Identifier: Apache-2.0
// A model's file read through a callback that fails, flips a bit or blocks when told to.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

#include "base/source.h"

namespace sluice::test {

struct FaultySource {
  enum class Fault { kNone, kFail, kFlip };

  explicit FaultySource(const std::string& path) {
    auto opened = InputFile::open(path);
    if (!opened.ok()) abort();
    file = std::move(*opened);
    source = std::make_shared<CallbackSource>("faulty", file.size(), read, this);
  }

  // Reads of more than `large` bytes count; the next ones to come are 0, 1, 2, ….
  void fail_at(int64_t read_number, Fault fault, int64_t n_faults = 1) {
    n_reads = 0, first_fault = read_number, end_fault = read_number + n_faults, kind = fault;
  }
  void heal() { first_fault = end_fault = 0; }

  static bool read(void* user, uint64_t offset, void* out, size_t bytes) {
    auto& self = *static_cast<FaultySource*>(user);
    {
      std::unique_lock lock(self.mutex);
      ++self.n_waiting;
      self.changed.notify_all();
      self.changed.wait(lock, [&] { return !self.blocked; });
      --self.n_waiting;
    }
    const std::span<std::byte> data(static_cast<std::byte*>(out), bytes);
    if (!self.file.read_at(offset, data).ok()) return false;
    const int64_t n = self.n_reads++;
    if (n < self.first_fault || n >= self.end_fault) return true;
    ++self.n_injected;
    if (self.kind == Fault::kFail) return false;
    data[bytes / 3] ^= std::byte{4};  // before the padding of any chunk
    return true;
  }

  // While blocked every read waits.
  void block(bool yes) {
    std::lock_guard lock(mutex);
    blocked = yes;
    changed.notify_all();
  }
  void wait_for_reader() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return n_waiting > 0; });
  }

  InputFile file;
  std::shared_ptr<const ByteSource> source;
  std::atomic<int64_t> n_reads{0}, first_fault{0}, end_fault{0}, n_injected{0};
  std::atomic<Fault> kind{Fault::kNone};
  std::mutex mutex;  // of the three below
  std::condition_variable changed;
  bool blocked = false;
  int n_waiting = 0;
};

}  // namespace sluice::test
