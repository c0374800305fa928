// SPDX-License-Identifier: Apache-2.0
// Files by descriptor: positional reads that never fault (no mmap), and outputs that appear whole or not at all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/page_buffer.h"
#include "base/result.h"

namespace sluice {

// What a file's bytes do to the page cache. kUse: the kernel keeps what it likes. kDrop: it is asked to forget what has
// passed. kAvoid: whole pages (offset and memory at multiples of kPageBytes) go around it by direct I/O, unless it has
// what is to be read already; the rest, and everything where the file system has no direct I/O, as with kDrop.
enum class PageCache : uint8_t { kUse, kDrop, kAvoid };

// An open file for positional reading. Thread-safe: read_at may be called from any thread.
class InputFile {
 public:
  InputFile() = default;
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();

  // kBadModel if missing or not a regular file, kFailed for other errors.
  static Result<InputFile> open(const std::string& path, PageCache cache = PageCache::kUse);
  // A duplicate of a descriptor that stays the caller's; `name` stands for the path in messages. Errors as above.
  static Result<InputFile> duplicate(int fd, const std::string& name);

  // Reads exactly out.size() bytes at `offset`; a short read is kBadModel with the offset where the file ended.
  Status read_at(uint64_t offset, std::span<std::byte> out) const;

  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  int fd() const { return fd_; }
  bool direct() const { return direct_fd_ >= 0; }  // whole pages go around the page cache

 private:
  Status measure();

  int fd_ = -1, direct_fd_ = -1;
  uint64_t size_ = 0;
  std::string path_;
  PageCache cache_ = PageCache::kUse;
};

// A file under construction: written to a temporary name in the target's folder, then synced and renamed by commit().
// Destroyed without commit(), it leaves nothing behind; remove_unfinished_outputs() does the same from a signal handler.
class OutputFile {
 public:
  OutputFile() = default;
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&& other) noexcept;
  ~OutputFile();

  // A symbolic link is written through; anything else that is not a regular file is refused. `expected_bytes` (0:
  // unknown) is checked against the free space first: kFailed with both numbers. Leftovers of killed writers are removed.
  static Result<OutputFile> create(const std::string& path, uint64_t expected_bytes = 0,
                                   PageCache cache = PageCache::kUse);

  // May be called from several threads, for ranges that have no page in common. With kAvoid, memory that lies anyhow is
  // copied on its way.
  Status write_at(uint64_t offset, std::span<const std::byte> data);
  Status commit();

  const std::string& path() const { return path_; }
  bool direct() const { return direct_fd_ >= 0; }  // whole pages go around the page cache

 private:
  void abandon();
  void close_descriptors();
  void forget(uint64_t begin, uint64_t end);
  int fd_ = -1, direct_fd_ = -1;
  std::string path_, temporary_;
  PageCache cache_ = PageCache::kUse;
  int slot_ = -1;  // place in the list of unfinished outputs
};

// Unlinks the temporary files of all OutputFiles that are open. Async-signal-safe.
void remove_unfinished_outputs();

// Whole small file (configuration, reference JSON); kBadModel if missing or larger than `limit_bytes`.
Result<std::string> read_small_file(const std::string& path, uint64_t limit_bytes);

// Writes temporary + fsync + rename.
Status write_small_file(const std::string& path, std::span<const std::byte> data);

}  // namespace sluice
