// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/descriptor_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstring>

namespace sluice {

Result<std::shared_ptr<const DescriptorSource>> DescriptorSource::open(int fd, uint64_t base, uint64_t length,
                                                                       std::string name) {
  std::shared_ptr<DescriptorSource> source(new DescriptorSource);
  source->name_ = std::move(name);
  source->fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (source->fd_ < 0)
    return make_error(Code::kFailed, source->name_, kNoOffset, "cannot duplicate descriptor %d: %s", fd, strerror(errno));
  struct stat info;
  if (fstat(source->fd_, &info) != 0 || !S_ISREG(info.st_mode))
    return make_error(Code::kBadModel, source->name_, kNoOffset, "descriptor %d is not a regular file", fd);
  const uint64_t file_bytes = uint64_t(info.st_size);
  if (base > file_bytes || length > file_bytes - base)
    return make_error(Code::kBadModel, source->name_, base, "%" PRIu64 " bytes expected, but the file ends at %" PRIu64,
                      length, file_bytes);
  source->base_ = base, source->length_ = length;
  return std::shared_ptr<const DescriptorSource>(std::move(source));
}

DescriptorSource::~DescriptorSource() {
  if (fd_ >= 0) close(fd_);
}

Status DescriptorSource::read_at(uint64_t offset, std::span<std::byte> out) const {
  if (offset > length_ || out.size() > length_ - offset)
    return make_error(Code::kBadModel, name_, offset, "%zu bytes expected, but the model ends at %" PRIu64, out.size(),
                      length_);
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = pread(fd_, out.data() + done, out.size() - done, off_t(base_ + offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return make_error(Code::kFailed, name_, offset + done, "reading failed: %s", strerror(errno));
    if (n == 0) return make_error(Code::kBadModel, name_, offset + done, "the file ended while it was read");
    done += size_t(n);
  }
  return {};
}

}  // namespace sluice
