// SPDX-License-Identifier: Apache-2.0
// Memory that direct I/O can use: it begins on a page, and its size is whole pages.
#pragma once
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace sluice {

// Of direct I/O and of .slm files, whatever the machine's own pages are.
inline constexpr size_t kPageBytes = 4096;

class PageBuffer {
 public:
  PageBuffer() = default;
  PageBuffer(PageBuffer&& other) noexcept { *this = std::move(other); }
  PageBuffer& operator=(PageBuffer&& other) noexcept {
    bytes_.swap(other.bytes_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }

  // Room for `bytes`; what was in it is lost if it must grow. New room is not zeroed. Throws std::bad_alloc.
  void reserve(size_t bytes) {
    if (bytes <= capacity_) return;
    bytes_.reset();
    capacity_ = 0;
    const size_t whole = (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
    bytes_.reset(static_cast<std::byte*>(::operator new (whole, std::align_val_t{kPageBytes})));
    capacity_ = whole;
  }
  std::byte* data() const { return bytes_.get(); }
  size_t capacity() const { return capacity_; }

 private:
  struct Delete {
    void operator()(std::byte* p) const { ::operator delete (p, std::align_val_t{kPageBytes}); }
  };
  std::unique_ptr<std::byte, Delete> bytes_;
  size_t capacity_ = 0;
};

}  // namespace sluice
