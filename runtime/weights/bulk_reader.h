// SPDX-License-Identifier: Apache-2.0
// Reads whole 4 KiB pages of a model in large pieces, around the page cache where that is possible: what a budget pays
// for once must not be held a second time by the kernel. Below the weight store, the weight stream and the row
// gatherer.
#pragma once
#include <atomic>
#include <memory>
#include <span>

#include "base/source.h"

namespace sluice {

// Thread-safe.
class BulkReader {
 public:
  enum class Path : uint8_t {
    kCached,    // through the page cache, which keeps what it likes
    kDirect,    // direct I/O: the page cache is not touched
    kDropped,   // through the page cache, which is asked to forget each piece: where direct I/O is impossible
    kCallback,  // the source is a function of the program
  };

  // `around_cache`: direct I/O, or else kDropped (said once in the log, with the reason).
  static std::shared_ptr<const BulkReader> open(std::shared_ptr<const ByteSource> source, bool around_cache);
  ~BulkReader();

  // `offset` and `out`, its size included, in whole pages of kPage bytes; `out` inside a Block. Errors as read_at.
  static constexpr uint64_t kPage = 4096;
  Status read(uint64_t offset, std::span<std::byte> out) const;
  // `bytes` from any offset on, by way of `buffer`, which has room for whole pages around them: a view into it.
  Result<const std::byte*> read_part(uint64_t offset, uint64_t bytes, std::span<std::byte> buffer) const;
  static constexpr uint64_t part_buffer_bytes(uint64_t bytes) { return (bytes + 2 * kPage - 2) / kPage * kPage; }

  // Another number once the file was written to, cut or lengthened, made of its times and size now; 0 for a callback.
  uint64_t version() const;

  Path path() const { return path_.load(std::memory_order_relaxed); }
  static const char* path_name(Path path);  // "cached", "direct", "dropped", "callback"

 private:
  explicit BulkReader(std::shared_ptr<const ByteSource> source) : source_(std::move(source)) {}
  void open_direct(const FileSource& file);
  bool read_direct(uint64_t offset, std::span<std::byte> out) const;
  void give_up_direct(const char* reason) const;

  std::shared_ptr<const ByteSource> source_;
  const FileSource* file_ = nullptr;  // the source, where it is a file
  int direct_fd_ = -1;
  mutable std::atomic<Path> path_{Path::kCached};
};

}  // namespace sluice
