// SPDX-License-Identifier: Apache-2.0
#include "base/accountant.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/checked.h"

namespace sluice {

namespace {

constexpr uint64_t kHugeHintBytes = uint64_t{4} << 20;  // below this a huge page could waste a visible share

// A huge page of which only a part is given back would stay whole in the kernel's books until memory is short, and a
// partly empty one might be filled up again: MADV_FREE splits it at once, MADV_NOHUGEPAGE keeps it split. Both are
// hints; MADV_DONTNEED is what counts.
bool give_back(std::byte* data, uint64_t bytes) {
  madvise(data, bytes, MADV_FREE);
  if (madvise(data, bytes, MADV_DONTNEED) != 0) return false;
  madvise(data, bytes, MADV_NOHUGEPAGE);
  return true;
}

}  // namespace

uint64_t page_bytes() {
  static const uint64_t bytes = uint64_t(sysconf(_SC_PAGESIZE));
  return bytes;
}

uint64_t block_bytes(uint64_t bytes) { return round_up(bytes, page_bytes()); }

const char* memory_kind_name(MemoryKind kind) {
  switch (kind) {
    case MemoryKind::kWeights:
      return "weights";
    case MemoryKind::kKv:
      return "kv";
    case MemoryKind::kActivations:
      return "activations";
    case MemoryKind::kLogits:
      return "logits";
    case MemoryKind::kTokenizer:
      return "tokenizer";
    case MemoryKind::kHeader:
      return "header";
    case MemoryKind::kIo:
      return "io";
    case MemoryKind::kOther:
      return "other";
    case MemoryKind::kCount:
      break;
  }
  return "unknown";
}

Block::~Block() {
  if (data_ == nullptr) return;
  SLUICE_CHECK(munmap(data_, block_bytes(size_)) == 0);
  owner_->release(kind_, held_);
}

uint64_t touched_bytes(std::span<const ByteRange> parts) {
  const uint64_t page = page_bytes();
  uint64_t bytes = 0, end = 0;  // pages before `end` are counted
  for (const ByteRange& part : parts) {
    const uint64_t first = std::max(part.begin / page * page, end), last = round_up(part.end, page);
    if (part.begin == part.end || last <= first) continue;
    bytes += last - first, end = last;
  }
  return bytes;
}

Status Block::keep(std::span<const ByteRange> parts) {
  const uint64_t page = page_bytes(), whole = block_bytes(size_), held = touched_bytes(parts);
  for (const ByteRange& part : parts) SLUICE_CHECK(part.begin <= part.end && part.end <= whole);
  if (held > held_) SLUICE_DO(owner_->charge(kind_, held - held_));
  bool given = true;
  uint64_t end = 0;  // pages before it are dealt with
  const auto gap = [&](uint64_t until) { given = (until <= end || give_back(data_ + end, until - end)) && given; };
  for (const ByteRange& part : parts) {
    if (part.begin == part.end) continue;
    const uint64_t first = part.begin / page * page, last = round_up(part.end, page);
    gap(first);
    if (whole >= kHugeHintBytes && last > end) madvise(data_ + first, last - first, MADV_HUGEPAGE);
    end = std::max(end, last);
  }
  gap(whole);
  if (held < held_ && given) owner_->release(kind_, held_ - held);
  held_ = given ? held : std::max(held, held_);
  if (!given) return make_error(Code::kFailed, "", kNoOffset, "the system takes no memory back: %s", strerror(errno));
  return {};
}

Result<Block> Accountant::allocate(MemoryKind kind, uint64_t bytes) {
  Block block;
  if (bytes == 0) return block;
  const CheckedU64 rounded = round_up(CheckedU64(bytes), page_bytes());
  if (!rounded.at_most(std::numeric_limits<size_t>::max() / 2)) {
    return make_error(Code::kNoMemory, "", kNoOffset, "%" PRIu64 " bytes for %s are more than an address space holds",
                      bytes, memory_kind_name(kind));
  }
  const uint64_t mapped = rounded.value();
  SLUICE_DO(charge(kind, mapped));
  void* data = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) {
    const int reason = errno;
    release(kind, mapped);
    return make_error(Code::kNoMemory, "", kNoOffset, "the system refused %" PRIu64 " bytes for %s: %s", mapped,
                      memory_kind_name(kind), strerror(reason));
  }
  if (mapped >= kHugeHintBytes) madvise(data, mapped, MADV_HUGEPAGE);  // a hint: failure changes nothing
  block.owner_ = this;
  block.data_ = static_cast<std::byte*>(data);
  block.size_ = bytes;
  block.held_ = mapped;
  block.kind_ = kind;
  return block;
}

Status Accountant::charge(MemoryKind kind, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  const CheckedU64 wanted = CheckedU64(used_) + CheckedU64(bytes);
  const uint64_t limit = budget_ != 0 ? budget_ : std::numeric_limits<uint64_t>::max();
  if (!wanted.at_most(limit)) {
    return make_error(Code::kNoFit, "", kNoOffset,
                      "%" PRIu64 " bytes for %s do not fit: %" PRIu64 " of the budget of %" PRIu64 " bytes are in use",
                      bytes, memory_kind_name(kind), used_, limit);
  }
  used_ = wanted.value();
  peak_ = std::max(peak_, used_);
  by_kind_[size_t(kind)] += bytes;
  return {};
}

void Accountant::release(MemoryKind kind, uint64_t bytes) {
  std::lock_guard lock(mutex_);
  SLUICE_CHECK(by_kind_[size_t(kind)] >= bytes);
  by_kind_[size_t(kind)] -= bytes;
  used_ -= bytes;
}

Status Accountant::set_budget(uint64_t bytes) {
  std::lock_guard lock(mutex_);
  if (bytes != 0 && used_ > bytes) {
    return make_error(Code::kNoFit, "", kNoOffset,
                      "%" PRIu64 " bytes are in use and the budget would be %" PRIu64 " bytes", used_, bytes);
  }
  budget_ = bytes;
  peak_ = used_;
  return {};
}

uint64_t Accountant::budget() const {
  std::lock_guard lock(mutex_);
  return budget_;
}

uint64_t Accountant::used() const {
  std::lock_guard lock(mutex_);
  return used_;
}

uint64_t Accountant::peak() const {
  std::lock_guard lock(mutex_);
  return peak_;
}

uint64_t Accountant::used(MemoryKind kind) const {
  std::lock_guard lock(mutex_);
  return by_kind_[size_t(kind)];
}

}  // namespace sluice
