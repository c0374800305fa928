// SPDX-License-Identifier: Apache-2.0
// The folder of converted models, $XDG_CACHE_HOME/sluice/models: NAME.slm, with NAME.lock beside it. Who converts holds
// the lock alone, who uses a model shares it, so that `rm` cannot pull a model away and no model is converted twice.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sluice {

// Empty when neither XDG_CACHE_HOME nor HOME says where.
std::string cache_folder();

struct CacheEntry {
  std::string name, path;
  uint64_t bytes = 0;
};
std::vector<CacheEntry> cache_entries();  // by name
std::optional<CacheEntry> find_cache_entry(const std::string& name);

// NAME under which the file at `path` is kept: its stem and a key made of size, time and header. An entry of the same
// key under another stem is the same model. Nothing when the file cannot be read.
std::optional<std::string> cache_name_for(const std::string& path);

enum class LockKind { kShared, kExclusive };

class EntryLock {
 public:
  EntryLock() = default;
  EntryLock(EntryLock&& other) noexcept { *this = std::move(other); }
  EntryLock& operator=(EntryLock&& other) noexcept;
  ~EntryLock() { release(); }

  // Waits for the lock unless `wait` is false; a signal that asks the program to stop ends the waiting. False with a
  // reason in errno: EWOULDBLOCK (held by others), EINTR, or why the lock file cannot be made.
  bool acquire(const std::string& name, LockKind kind, bool wait);
  void share();  // from exclusive to shared
  void release();
  // Releases, and leaves no lock file behind when there is no entry that it could guard and nobody else holds it.
  void abandon();

 private:
  int fd_ = -1;
  std::string name_;
};

// Removes lock files that guard nothing and that nobody holds: what killed programs left.
void sweep_locks();

// What abandon() does to locks held alone, for a signal handler that ends the program.
void remove_abandoned_locks();

// Removes the entry; the caller holds the lock alone. False with errno.
bool remove_cache_entry(const std::string& name);

}  // namespace sluice
