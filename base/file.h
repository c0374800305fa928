// SPDX-License-Identifier: Apache-2.0
// Files by descriptor: positional reads that never fault (no mmap), and outputs that appear whole or not at all.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"

namespace sluice {

// An open file for positional reading. Thread-safe: read_at may be called from any thread.
class InputFile {
 public:
  InputFile() = default;
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;
  ~InputFile();

  // kBadModel if missing or not a regular file, kFailed for other errors. `drop_cache` asks the kernel to forget
  // each range after it was read (posix_fadvise), so that a long read does not fill the page cache.
  static Result<InputFile> open(const std::string& path, bool drop_cache = false);
  // A duplicate of a descriptor that stays the caller's; `name` stands for the path in messages. Errors as above.
  static Result<InputFile> duplicate(int fd, const std::string& name);

  // Reads exactly out.size() bytes at `offset`; a short read is kBadModel with the offset where the file ended.
  Status read_at(uint64_t offset, std::span<std::byte> out) const;

  uint64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  int fd() const { return fd_; }

 private:
  Status measure();

  int fd_ = -1;
  uint64_t size_ = 0;
  std::string path_;
  bool drop_cache_ = false;
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
  static Result<OutputFile> create(const std::string& path, uint64_t expected_bytes = 0, bool drop_cache = false);

  Status write_at(uint64_t offset, std::span<const std::byte> data);
  Status commit();

  const std::string& path() const { return path_; }

 private:
  void abandon();
  int fd_ = -1;
  std::string path_, temporary_;
  bool drop_cache_ = false;
  int slot_ = -1;  // place in the list of unfinished outputs
};

// Unlinks the temporary files of all OutputFiles that are open. Async-signal-safe.
void remove_unfinished_outputs();

// Whole small file (configuration, reference JSON); kBadModel if missing or larger than `limit_bytes`.
Result<std::string> read_small_file(const std::string& path, uint64_t limit_bytes);

// Writes temporary + fsync + rename.
Status write_small_file(const std::string& path, std::span<const std::byte> data);

}  // namespace sluice
