// SPDX-License-Identifier: Apache-2.0
// A bounded view of a large file: page-aligned windows are read one after another into one buffer, so that a long pass
// over the file costs a fixed amount of memory and leaves whole pages for InputFile to drop from the page cache.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/file.h"
#include "base/result.h"

namespace sluice {

class ByteWindow {
 public:
  // `file` must outlive the window. `bytes`: what is read at once. `buffer`: one from an earlier window, if there is
  // any.
  ByteWindow(const InputFile& file, size_t bytes, PageBuffer buffer = {});
  // The same look at bytes in memory, which must outlive the window too.
  explicit ByteWindow(std::span<const uint8_t> memory) : memory_(memory) {}

  // `n` bytes at `offset`, valid until the next call. The caller has compared n with the file's size or a limit.
  Result<const uint8_t*> view(uint64_t offset, size_t n);

  // Whether these bytes are in the window, so that views of them stay valid together.
  bool holds(uint64_t offset, size_t n) const { return offset >= begin_ && offset + n <= begin_ + length_; }

  // For the next window; this one is at its end.
  PageBuffer take_buffer() { return std::move(buffer_); }

  // Makes [offset, offset + n) the window, as far as the file and twice the usual size reach; views inside it read
  // nothing more.
  Status load(uint64_t offset, uint64_t n);

 private:
  Status read(uint64_t begin, size_t length);

  const InputFile* file_ = nullptr;
  std::span<const uint8_t> memory_;  // without a file
  size_t capacity_ = 0;
  uint64_t begin_ = 0;
  size_t length_ = 0;
  PageBuffer buffer_;
};

}  // namespace sluice
