// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice {

namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

size_t entries(const std::string& folder) {
  size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) n += entry.exists() ? 1 : 0;
  return n;
}

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("positional reads return what is there and name the end when they cross it") {
  TemporaryFolder folder;
  REQUIRE(write_small_file(folder / "f", bytes_of("0123456789")).ok());
  auto file = InputFile::open(folder / "f", GENERATE(PageCache::kUse, PageCache::kDrop, PageCache::kAvoid));
  REQUIRE(file.ok());
  CHECK(file->size() == 10);
  std::string out(4, '\0');
  CHECK(file->read_at(6, std::as_writable_bytes(std::span(out))).ok());
  CHECK(out == "6789");
  const Status beyond = file->read_at(7, std::as_writable_bytes(std::span(out)));
  CHECK(beyond.error().code == Code::kBadModel);
  CHECK(beyond.error().offset == 10);
  CHECK(beyond.error().place == folder / "f");
  CHECK(file->read_at(~uint64_t{0} - 1, std::as_writable_bytes(std::span(out))).error().code == Code::kBadModel);
  CHECK(file->read_at(10, {}).ok());
}

TEST_CASE("an output never replaces a device, a FIFO or a folder, and goes through a link") {
  TemporaryFolder folder;
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  REQUIRE(mkdir((folder / "sub").c_str(), 0700) == 0);
  REQUIRE(symlink("sub/real", (folder / "link").c_str()) == 0);
  REQUIRE(symlink("loop", (folder / "loop").c_str()) == 0);
  for (const char* name : {"fifo", "sub", "loop"})
    CHECK(write_small_file(folder / name, bytes_of("x")).error().code == Code::kFailed);
  REQUIRE(write_small_file("/dev/null", bytes_of("x")).error().code == Code::kFailed);
  for (const char* text : {"first", "second"}) {  // a dangling link, then one to a file
    REQUIRE(write_small_file(folder / "link", bytes_of(text)).ok());
    CHECK(contents(folder / "sub/real") == text);
  }
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(entries(folder / "sub") == 1);
}

TEST_CASE("what a killed writer left is removed by the next one, what is being written is not") {
  TemporaryFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    auto left = OutputFile::create(folder / "out");
    _exit(left.ok() ? 0 : 1);  // no destructor: as if killed
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  REQUIRE(entries(folder.path()) == 1);
  auto living = OutputFile::create(folder / "other");
  REQUIRE(living.ok());
  CHECK(entries(folder.path()) == 2);  // fresh ones are left alone
  const auto long_ago = std::filesystem::file_time_type::clock::now() - std::chrono::hours(1);
  for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
    std::filesystem::last_write_time(entry, long_ago);
  REQUIRE(write_small_file(folder / "third", bytes_of("x")).ok());
  CHECK(entries(folder.path()) == 2);
  CHECK(living->commit().ok());
  CHECK(std::filesystem::exists(folder / "other"));
}

TEST_CASE("the longest name that a folder allows can be written") {
  TemporaryFolder folder;
  const std::string name(255, 'n');
  REQUIRE(write_small_file(folder / name, bytes_of("x")).ok());
  CHECK(contents(folder / name) == "x");
  CHECK(write_small_file(folder / (name + "n"), bytes_of("x")).error().code == Code::kFailed);
  CHECK(entries(folder.path()) == 1);
}

TEST_CASE("a file that shrinks while it is read gives an error, not a crash") {
  TemporaryFolder folder;
  REQUIRE(write_small_file(folder / "f", bytes_of(std::string(100000, 'x'))).ok());
  auto file = InputFile::open(folder / "f");
  REQUIRE(file.ok());
  REQUIRE(truncate((folder / "f").c_str(), 5000) == 0);
  std::vector<std::byte> out(100000);
  CHECK(file->read_at(0, out).error().offset == 5000);
}

TEST_CASE("what is not a regular file is refused as a model") {
  TemporaryFolder folder;
  CHECK(InputFile::open(folder / "missing").error().code == Code::kBadModel);
  CHECK(InputFile::open(folder.path()).error().code == Code::kBadModel);
  REQUIRE(mkfifo((folder / "fifo").c_str(), 0600) == 0);
  CHECK(InputFile::open(folder / "fifo").error().code == Code::kBadModel);  // and does not wait for a writer
  CHECK(InputFile::open("/dev/zero").error().code == Code::kBadModel);
  std::filesystem::create_symlink("loop", folder / "loop");
  CHECK(InputFile::open(folder / "loop").error().code == Code::kBadModel);
  CHECK(InputFile::open(folder / std::string(300, 'n')).error().code == Code::kBadModel);
}

TEST_CASE("an output appears whole with commit and not before") {
  TemporaryFolder folder;
  {
    auto file = OutputFile::create(folder / "out", 100, GENERATE(PageCache::kUse, PageCache::kDrop, PageCache::kAvoid));
    REQUIRE(file.ok());
    CHECK(file->write_at(3, bytes_of("def")).ok());
    CHECK(file->write_at(0, bytes_of("abc")).ok());
    CHECK_FALSE(std::filesystem::exists(folder / "out"));
    CHECK(entries(folder.path()) == 1);
    CHECK(file->commit().ok());
  }
  CHECK(entries(folder.path()) == 1);
  CHECK(contents(folder / "out") == "abcdef");
}

TEST_CASE("an abandoned output leaves nothing behind and the old file untouched") {
  TemporaryFolder folder;
  REQUIRE(write_small_file(folder / "out", bytes_of("old")).ok());
  {
    OutputFile file = OutputFile::create(folder / "out").value();
    CHECK(file.write_at(0, bytes_of("new")).ok());
    OutputFile moved = std::move(file);
    CHECK(moved.write_at(3, bytes_of("er")).ok());
  }
  CHECK(entries(folder.path()) == 1);
  CHECK(contents(folder / "out") == "old");
}

TEST_CASE("a process that dies in a signal handler can still remove its unfinished outputs") {
  TemporaryFolder folder;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    OutputFile a = OutputFile::create(folder / "a").value();
    OutputFile b = OutputFile::create(folder / "b").value();
    const bool done = b.commit().ok();
    remove_unfinished_outputs();
    _exit(done ? 0 : 1);
  }
  int state = 0;
  REQUIRE(waitpid(child, &state, 0) == child);
  CHECK(state == 0);
  CHECK(entries(folder.path()) == 1);
  CHECK(std::filesystem::exists(folder / "b"));
}

TEST_CASE("long outputs have the right contents on every way to the disk") {
  TemporaryFolder folder;
  const PageCache cache = GENERATE(PageCache::kUse, PageCache::kDrop, PageCache::kAvoid);
  OutputFile file = OutputFile::create(folder / "out", 0, cache).value();
  std::vector<std::byte> part(3u << 20);
  for (uint32_t i = 0; i < 9; ++i) {
    std::fill(part.begin(), part.end(), std::byte(i));
    REQUIRE(file.write_at(uint64_t{i} * part.size(), part).ok());
  }
  REQUIRE(file.commit().ok());
  InputFile in = InputFile::open(folder / "out", cache).value();
  CHECK(in.size() == 9 * part.size());
  for (uint32_t i = 0; i < 9; ++i) {
    REQUIRE(in.read_at(uint64_t{i} * part.size(), part).ok());
    CHECK(part.front() == std::byte(i));
    CHECK(part.back() == std::byte(i));
  }
}

TEST_CASE("pieces of any length from anywhere in memory make the same file on every way to the disk") {
  TemporaryFolder folder;
  std::vector<std::byte> bytes((3u << 20) + 1234);
  uint64_t state = 7;
  for (std::byte& b : bytes) b = std::byte((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
  const auto write = [&](const std::string& name, PageCache cache) {
    OutputFile file = OutputFile::create(folder / name, bytes.size(), cache).value();
    const size_t cuts[] = {0, 64, 4096, 8192, 8193, 12288, 1u << 20, (1u << 20) + 4096, (2u << 20) + 100, bytes.size()};
    for (size_t i = std::size(cuts) - 1; i > 0; --i) {  // the last piece first
      REQUIRE(file.write_at(cuts[i - 1], std::span(bytes).subspan(cuts[i - 1], cuts[i] - cuts[i - 1])).ok());
    }
    REQUIRE(file.commit().ok());
    InputFile in = InputFile::open(folder / name, cache).value();
    REQUIRE(in.size() == bytes.size());
    PageBuffer whole;
    whole.reserve(bytes.size());
    for (const size_t from : {size_t{0}, size_t{4096}, size_t{5000}}) {
      const std::span<std::byte> out(whole.data(), bytes.size() - from);
      REQUIRE(in.read_at(from, out).ok());
      CHECK(std::equal(out.begin(), out.end(), bytes.begin() + ptrdiff_t(from)));
    }
    CHECK(in.read_at(4096, std::span(whole.data(), bytes.size())).error().offset == bytes.size());
  };
  write("used", PageCache::kUse);
  write("dropped", PageCache::kDrop);
  write("avoided", PageCache::kAvoid);
}

TEST_CASE("where the file system has no direct I/O, files go through the page cache") {
  TemporaryFolder folder;
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {  // ramfs has none; the mount is the child's own
    constexpr int kSkipped = 77;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", folder.path().c_str(), "ramfs", 0, nullptr) != 0) {
      _exit(kSkipped);
    }
    PageBuffer page;
    page.reserve(2 * kPageBytes);
    memset(page.data(), 'x', 2 * kPageBytes);
    const std::span<std::byte> both(page.data(), 2 * kPageBytes);
    auto out = OutputFile::create(folder / "out", 0, PageCache::kAvoid);  // says that it has 0 bytes free
    if (!out.ok() || out->direct() || !out->write_at(0, both).ok() || !out->commit().ok()) _exit(1);
    auto in = InputFile::open(folder / "out", PageCache::kAvoid);
    memset(page.data(), 0, 2 * kPageBytes);
    if (!in.ok() || in->direct() || !in->read_at(0, both).ok()) _exit(2);
    _exit(contents(folder / "out") == std::string(2 * kPageBytes, 'x') && page.data()[5000] == std::byte('x') ? 0 : 3);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) {
    WARN("needs the right to mount a file system");
    return;
  }
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("an output that cannot fit the disk is refused before it is begun") {
  TemporaryFolder folder;
  auto file = OutputFile::create(folder / "out", uint64_t{1} << 60);
  REQUIRE_FALSE(file.ok());
  CHECK(file.error().code == Code::kFailed);
  CHECK(file.error().message.find("1152921504606846976") != std::string::npos);
  CHECK(entries(folder.path()) == 0);
  CHECK(OutputFile::create(folder / "no/such/folder").error().code == Code::kFailed);
  CHECK(OutputFile::create(folder / std::string(300, 'n')).error().code == Code::kFailed);
  CHECK(OutputFile::create(folder.path()).error().code == Code::kFailed);
}

TEST_CASE("as many outputs as there are places can be open, and the places return") {
  TemporaryFolder folder;
  for (int round = 0; round < 2; ++round) {
    std::vector<OutputFile> open;
    for (;;) {
      auto file = OutputFile::create(folder / std::to_string(open.size()));
      if (!file.ok()) break;
      open.push_back(std::move(file).value());
    }
    CHECK(open.size() == 32);
  }
  CHECK(entries(folder.path()) == 0);
}

TEST_CASE("small files have a limit that is reached exactly") {
  TemporaryFolder folder;
  REQUIRE(write_small_file(folder / "f", bytes_of("12345")).ok());
  CHECK(*read_small_file(folder / "f", 5) == "12345");
  CHECK(read_small_file(folder / "f", 4).error().code == Code::kBadModel);
  REQUIRE(write_small_file(folder / "empty", {}).ok());
  CHECK(read_small_file(folder / "empty", 0)->empty());
}

}  // namespace sluice
