// SPDX-License-Identifier: Apache-2.0
#include "cache.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "signals.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice {
namespace {

// An empty cache of its own.
struct EmptyCache {
  EmptyCache() {
    setenv("XDG_CACHE_HOME", folder.path().c_str(), 1);
    std::filesystem::create_directories(cache_folder());
  }
  ~EmptyCache() { unsetenv("XDG_CACHE_HOME"); }
  bool empty() const { return std::filesystem::is_empty(cache_folder()); }
  TemporaryFolder folder;
};

bool is_held(const std::string& name) {
  EntryLock lock;
  return !lock.acquire(name, LockKind::kExclusive, false) && errno == EWOULDBLOCK;
}

}  // namespace

TEST_CASE("an abandoned lock leaves no file", "[apps]") {
  const EmptyCache cache;
  EntryLock lock;
  REQUIRE(lock.acquire("m", LockKind::kExclusive, true));
  CHECK(is_held("m"));
  lock.abandon();
  CHECK(cache.empty());
  lock.abandon();  // nothing is held any more
  CHECK(cache.empty());
}

TEST_CASE("an abandoned lock stays where it guards an entry", "[apps]") {
  const EmptyCache cache;
  std::ofstream(cache_folder() + "/m.slm") << "model";
  EntryLock lock;
  REQUIRE(lock.acquire("m", LockKind::kExclusive, true));
  lock.abandon();
  CHECK(std::filesystem::exists(cache_folder() + "/m.lock"));
}

TEST_CASE("folders whose files differ in contents alone are different models", "[apps]") {
  const EmptyCache cache;
  const TemporaryFolder models;
  const auto make = [&](const std::string& name, const char* weights) {
    const std::string folder = models / name;
    std::filesystem::create_directories(folder);
    for (const auto& [file, text] :
         {std::pair("config.json", "{}"), std::pair("tokenizer.json", "{}"), std::pair("model.safetensors", weights)}) {
      std::ofstream(folder + "/" + file) << text;
      std::filesystem::last_write_time(folder + "/" + file, std::filesystem::file_time_type(std::chrono::hours(1)));
    }
    return cache_name_for(folder).value_or("none");
  };
  const std::string a = make("a/model", "12345678"), b = make("b/model", "12345679");
  CHECK(a != "none");
  CHECK(a != b);
  CHECK(cache_name_for(models / "a/model") == a);
}

TEST_CASE("only one holds a lock at a time, however many are abandoned by those before", "[apps]") {
  const EmptyCache cache;
  std::atomic<int> n_holders{0}, n_collisions{0}, n_held{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int k = 0; k < 50; ++k) {
        EntryLock lock;
        if (!lock.acquire("m", LockKind::kExclusive, true)) continue;
        n_collisions += n_holders++ != 0;
        n_held++;
        std::this_thread::yield();
        n_holders--;
        lock.abandon();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(n_held == 200);
  CHECK(n_collisions == 0);
  CHECK(cache.empty());
}

TEST_CASE("a shared lock is abandoned only by its last holder", "[apps]") {
  const EmptyCache cache;
  EntryLock first, second;
  REQUIRE(first.acquire("m", LockKind::kShared, true));
  REQUIRE(second.acquire("m", LockKind::kShared, true));
  first.abandon();
  CHECK(std::filesystem::exists(cache_folder() + "/m.lock"));
  CHECK(is_held("m"));
  second.abandon();
  CHECK(cache.empty());
}

TEST_CASE("locks that guard nothing are swept, those that are held or guard a model are not", "[apps]") {
  const EmptyCache cache;
  for (const char* file : {"left.lock", "held.lock", "kept.lock", "kept.slm"}) {
    std::ofstream(cache_folder() + "/" + file) << "";
  }
  EntryLock lock;
  REQUIRE(lock.acquire("held", LockKind::kExclusive, true));
  sweep_locks();
  CHECK(!std::filesystem::exists(cache_folder() + "/left.lock"));
  for (const char* file : {"held.lock", "kept.lock", "kept.slm"}) {
    CHECK(std::filesystem::exists(cache_folder() + "/" + file));
  }
  CHECK(is_held("held"));
}

TEST_CASE("a program that a signal ends leaves no lock file, unless it guards a model", "[apps]") {
  const EmptyCache cache;
  const auto interrupted_with = [](LockKind kind) {
    const pid_t child = fork();
    if (child == 0) {
      signal(SIGINT, SIG_DFL);
      catch_signals(remove_abandoned_locks);
      EntryLock lock;
      if (!lock.acquire("m", kind, true)) _exit(1);
      const SignalsEndAtOnce at_once;
      raise(SIGINT);
      _exit(2);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  CHECK(interrupted_with(LockKind::kExclusive) == 130);
  CHECK(cache.empty());
  std::ofstream(cache_folder() + "/m.slm") << "model";
  CHECK(interrupted_with(LockKind::kExclusive) == 130);
  CHECK(std::filesystem::exists(cache_folder() + "/m.lock"));
}

}  // namespace sluice
