// SPDX-License-Identifier: Apache-2.0
#include "converter/byte_window.h"

#include <fcntl.h>

#include <algorithm>

#include "base/checked.h"

namespace sluice {

namespace {
constexpr uint64_t kPage = kPageBytes;
}

ByteWindow::ByteWindow(const InputFile& file, size_t bytes, PageBuffer buffer)
    : file_(&file), capacity_(bytes), buffer_(std::move(buffer)) {
  // Windows are as long as reads should be. Read-ahead beyond them would be dropped unread by the neighbours of a
  // window, and its folios of megabytes, which lie across the ends of windows, could not be dropped at all.
  posix_fadvise(file.fd(), 0, 0, POSIX_FADV_RANDOM);
}

Result<const uint8_t*> ByteWindow::view(uint64_t offset, size_t n) {
  if (!file_) {
    if (offset > memory_.size() || n > memory_.size() - offset)
      return make_error(Code::kBadModel, "", offset, "%zu bytes were expected here", n);
    return memory_.data() + offset;
  }
  if (offset > file_->size() || n > file_->size() - offset) {
    return make_error(Code::kBadModel, file_->path(), offset, "%zu bytes were expected here, the file has %llu left", n,
                      static_cast<unsigned long long>(file_->size() - std::min(offset, file_->size())));
  }
  if (!holds(offset, n)) {
    const uint64_t begin = offset / kPage * kPage;
    const uint64_t wanted = std::max<uint64_t>(capacity_, round_up(offset - begin + n, kPage));
    const size_t length = size_t(std::min(wanted, file_->size() - begin));
    SLUICE_DO(read(begin, length));
  }
  return reinterpret_cast<const uint8_t*>(buffer_.data()) + (offset - begin_);
}

Status ByteWindow::load(uint64_t offset, uint64_t n) {
  const uint64_t begin = offset / kPage * kPage;
  if (!file_ || begin >= file_->size()) return {};
  const uint64_t wanted = std::min<uint64_t>(round_up(n + (offset - begin), kPage), 2 * capacity_);
  return read(begin, size_t(std::min(wanted, file_->size() - begin)));
}

Status ByteWindow::read(uint64_t begin, size_t length) {
  length_ = 0;
  buffer_.reserve(length);
  SLUICE_DO(file_->read_at(begin, std::span(buffer_.data(), length)));
  // The kernel drops only whole folios, of up to megabytes, and none that is in use: so everything up to here is
  // dropped again.
  if (!file_->direct()) posix_fadvise(file_->fd(), 0, off_t(begin + length), POSIX_FADV_DONTNEED);
  begin_ = begin, length_ = length;
  return {};
}

}  // namespace sluice
