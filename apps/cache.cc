// SPDX-License-Identifier: Apache-2.0
#include "cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "signals.h"
#include "sluice/convert.h"

namespace sluice {

namespace {

constexpr size_t kHeaderBytes = 1 << 20;  // of the source's first file that go into the key
constexpr size_t kKeyDigits = 12;
constexpr size_t kMostStem = 60;

void mix(uint64_t& hash, const void* data, size_t n) {  // FNV-1a
  for (size_t i = 0; i < n; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3u;
}

std::string file_of(const std::string& name, const char* ending) { return cache_folder() + "/" + name + ending; }

// Plain characters only, so that names can be typed and never leave the folder.
std::string stem_of(const std::string& path) {
  std::string stem = path.substr(path.rfind('/') + 1);
  constexpr std::string_view kEnding = ".gguf";
  if (stem.size() > kEnding.size() && stem.ends_with(kEnding)) stem.resize(stem.size() - kEnding.size());
  stem.resize(std::min(stem.size(), kMostStem));
  for (char& c : stem) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (!plain) c = '-';
  }
  stem.erase(0, stem.find_first_not_of(".-"));
  return stem.empty() ? "model" : stem;
}

std::vector<std::string> names_in_cache() {
  std::vector<std::string> names;
  DIR* folder = opendir(cache_folder().c_str());
  if (!folder) return names;
  while (const dirent* entry = readdir(folder)) names.emplace_back(entry->d_name);
  closedir(folder);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

std::string cache_folder() {
  const char* cache = getenv("XDG_CACHE_HOME");
  if (cache && *cache == '/') return std::string(cache) + "/sluice/models";
  const char* home = getenv("HOME");
  if (home && *home == '/') return std::string(home) + "/.cache/sluice/models";
  return "";
}

std::optional<CacheEntry> find_cache_entry(const std::string& name) {
  if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos || cache_folder().empty()) return {};
  struct stat info;
  const std::string path = file_of(name, ".slm");
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return {};
  return CacheEntry{name, path, uint64_t(info.st_size)};
}

std::vector<CacheEntry> cache_entries() {
  std::vector<CacheEntry> entries;
  for (const std::string& file : names_in_cache()) {
    if (file.size() <= 4 || file.compare(file.size() - 4, 4, ".slm") != 0) continue;
    if (auto entry = find_cache_entry(file.substr(0, file.size() - 4))) entries.push_back(*entry);
  }
  return entries;
}

std::optional<std::string> cache_name_for(const std::string& path) {
  const std::vector<std::string> files = source_files(path);
  if (files.empty()) return {};
  const int fd = open(files[0].c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  struct stat info {};
  std::vector<char> header(kHeaderBytes);
  size_t have = 0;
  ssize_t n = fstat(fd, &info) == 0 ? 1 : -1;
  while (n > 0 && have < header.size()) {
    n = pread(fd, header.data() + have, header.size() - have, off_t(have));
    if (n > 0) have += size_t(n);
    if (n < 0 && errno == EINTR && !interrupted()) n = 1;
  }
  close(fd);
  if (n < 0) return {};
  uint64_t hash = 0xcbf29ce484222325u;
  const uint64_t facts[] = {uint64_t(info.st_size), uint64_t(info.st_mtim.tv_sec), uint64_t(info.st_mtim.tv_nsec)};
  mix(hash, facts, sizeof facts);
  mix(hash, header.data(), have);
  for (size_t i = 1; i < files.size(); ++i) {  // further parts of a split model, other files of a folder
    if (stat(files[i].c_str(), &info) != 0) return {};
    // Not read, so known by who they are and by the change time, which nobody can set.
    const uint64_t part[] = {uint64_t(info.st_size), uint64_t(info.st_dev), uint64_t(info.st_ino),
                             uint64_t(info.st_ctim.tv_sec), uint64_t(info.st_ctim.tv_nsec)};
    mix(hash, part, sizeof part);
  }
  char key[24];
  snprintf(key, sizeof key, "-%016llx", static_cast<unsigned long long>(hash));
  const std::string suffix(key, 1 + kKeyDigits);
  for (const CacheEntry& entry : cache_entries()) {
    if (entry.name.size() > suffix.size() && entry.name.ends_with(suffix)) return entry.name;
  }
  return stem_of(path) + suffix;
}

namespace {

// The lock held alone and the entry it guards, in static memory so that a signal handler may read them. A program holds
// one at a time; should it ever hold a second, that one waits for sweep_locks().
struct HeldAlone {
  std::atomic<int> fd{-1};
  char lock[PATH_MAX], entry[PATH_MAX];
};
HeldAlone held_alone;

void note_held_alone(int fd, const std::string& lock, const std::string& entry) {
  if (held_alone.fd.load() >= 0 || lock.size() >= PATH_MAX || entry.size() >= PATH_MAX) return;
  memcpy(held_alone.lock, lock.c_str(), lock.size() + 1);
  memcpy(held_alone.entry, entry.c_str(), entry.size() + 1);
  held_alone.fd.store(fd);
}

void forget_held_alone(int fd) {
  int expected = fd;
  if (fd >= 0) held_alone.fd.compare_exchange_strong(expected, -1);
}

// A lock on a file that was unlinked while we waited for it locks nothing.
bool is_named(int fd, const std::string& path) {
  struct stat held, named;
  return fstat(fd, &held) == 0 && stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
         held.st_dev == named.st_dev;
}

// Unlinked before it is let go: who waits for the file finds it nameless then, and makes a new one. A lock that is
// shared must become one held alone first, so that no other holder is left with a nameless file.
void unlink_if_abandoned(int fd, const std::string& name) {
  const std::string path = file_of(name, ".lock");
  if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(fd, path) && !find_cache_entry(name)) unlink(path.c_str());
}

}  // namespace

EntryLock& EntryLock::operator=(EntryLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(name_, other.name_);
  return *this;
}

bool EntryLock::acquire(const std::string& name, LockKind kind, bool wait) {
  release();
  name_ = name;
  const std::string path = file_of(name, ".lock");
  const int operation = (kind == LockKind::kShared ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB);
  for (;;) {
    fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd_ < 0) return false;
    while (flock(fd_, operation) != 0) {
      const int reason = errno;
      if (reason == EINTR && !interrupted()) continue;
      release();
      errno = reason;
      return false;
    }
    if (is_named(fd_, path)) {
      if (kind == LockKind::kExclusive) note_held_alone(fd_, path, file_of(name, ".slm"));
      return true;
    }
    release();
  }
}

// Should it fail, `rm` does not see that the model is in use; the open file stays readable all the same.
void EntryLock::share() {
  forget_held_alone(fd_);
  if (fd_ >= 0) flock(fd_, LOCK_SH | LOCK_NB);
}

void EntryLock::release() {
  forget_held_alone(fd_);
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

void EntryLock::abandon() {
  forget_held_alone(fd_);  // first: what has this name after the unlink may be another program's
  if (fd_ >= 0) unlink_if_abandoned(fd_, name_);
  release();
}

void sweep_locks() {
  constexpr std::string_view kEnding = ".lock";
  for (const std::string& file : names_in_cache()) {
    if (file.size() <= kEnding.size() || !file.ends_with(kEnding)) continue;
    const std::string name = file.substr(0, file.size() - kEnding.size());
    if (find_cache_entry(name)) continue;
    const int fd = open(file_of(name, ".lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) continue;
    unlink_if_abandoned(fd, name);
    close(fd);
  }
}

void remove_abandoned_locks() {
  if (held_alone.fd.load() >= 0 && access(held_alone.entry, F_OK) != 0) unlink(held_alone.lock);
}

bool remove_cache_entry(const std::string& name) {
  if (unlink(file_of(name, ".slm").c_str()) != 0) return false;
  unlink(file_of(name, ".lock").c_str());
  return true;
}

}  // namespace sluice
