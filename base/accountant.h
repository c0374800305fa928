// SPDX-License-Identifier: Apache-2.0
// The one accountant of large memory: every big buffer of a process is reserved here before it is mapped, under a
// name that `sluice plan` and --json print. Reserve-before-use: what does not fit is refused, never allocated.
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <utility>

#include "base/result.h"

namespace sluice {

enum class MemoryKind : uint8_t { kWeights, kKv, kActivations, kLogits, kTokenizer, kHeader, kIo, kOther, kCount };
const char* memory_kind_name(MemoryKind kind);

// Bytes of one page of this machine (4, 16 or 64 KiB), and what `bytes` take when mapped as a Block: whole pages.
uint64_t page_bytes();
uint64_t block_bytes(uint64_t bytes);

class Accountant;

struct ByteRange {
  uint64_t begin = 0, end = 0;
};
// Bytes of the pages that these parts (ascending, disjoint) of a Block touch.
uint64_t touched_bytes(std::span<const ByteRange> parts);

// A zeroed, page-aligned (so also 64-byte-aligned) block of anonymous memory; returned to the accountant on
// destruction.
class Block {
 public:
  Block() = default;
  Block(Block&& other) noexcept { swap(other); }
  Block& operator=(Block&& other) noexcept {
    Block(std::move(other)).swap(*this);
    return *this;
  }
  ~Block();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

  // From now on only the pages of these parts (ascending, disjoint, inside the block) are held: the others go back to
  // the system, zeroed should they ever be held again. kNoFit, and nothing changes, when that is more than before and
  // the budget has no room for it; kFailed when the system does not take pages back (a program that locked them).
  Status keep(std::span<const ByteRange> parts);
  uint64_t held() const { return held_; }  // whole pages

  template <class T>
  std::span<T> as() const {
    return {reinterpret_cast<T*>(data_), size_ / sizeof(T)};
  }
  void swap(Block& other) noexcept {
    std::swap(owner_, other.owner_), std::swap(data_, other.data_);
    std::swap(size_, other.size_), std::swap(held_, other.held_), std::swap(kind_, other.kind_);
  }

 private:
  friend class Accountant;
  Accountant* owner_ = nullptr;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  uint64_t held_ = 0;
  MemoryKind kind_ = MemoryKind::kOther;
};

// Thread-safe. Must outlive its Blocks.
class Accountant {
 public:
  // budget_bytes 0: no limit, only accounting.
  explicit Accountant(uint64_t budget_bytes) : budget_(budget_bytes) {}

  // kNoFit when the budget would be exceeded (message has both numbers), kNoMemory when the system refuses.
  Result<Block> allocate(MemoryKind kind, uint64_t bytes);

  // For memory that somebody else holds (heap of the tokenizer, program): counted, not mapped.
  Status charge(MemoryKind kind, uint64_t bytes);
  void release(MemoryKind kind, uint64_t bytes);

  // kNoFit, and nothing changes, when more than `bytes` are in use. The peak begins anew.
  Status set_budget(uint64_t bytes);

  uint64_t budget() const;
  uint64_t used() const;
  uint64_t peak() const;  // since the budget was set
  uint64_t used(MemoryKind kind) const;

 private:
  friend class Block;
  mutable std::mutex mutex_;
  uint64_t budget_, used_ = 0, peak_ = 0;
  std::array<uint64_t, size_t(MemoryKind::kCount)> by_kind_{};
};

}  // namespace sluice
