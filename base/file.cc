// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/accountant.h"
#include "base/file_pages.h"

namespace sluice {

Error file_pages::io_error(const std::string& path, uint64_t offset, const char* action, int reason) {
  return make_error(Code::kFailed, path, offset, "cannot %s: %s", action, strerror(reason));
}

int file_pages::open_direct(int fd, int flags) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return ::open(path, flags | O_CLOEXEC | O_DIRECT);
}

using namespace file_pages;

namespace {

// Whether all of these bytes are in the page cache. False where the kernel (before Linux 6.5) cannot say.
bool in_page_cache(int fd, uint64_t offset, uint64_t bytes) {
  constexpr long kCachestat = 451;  // newer than the headers of some systems; the same on all that we know
  const struct { uint64_t offset, bytes; } range{offset, bytes};
  struct {
    uint64_t cached, dirty, in_writeback, evicted, recently_evicted;  // pages
  } found{};
  return syscall(kCachestat, fd, &range, &found, 0) == 0 && found.cached * page_bytes() >= bytes;
}

}  // namespace

InputFile::InputFile(InputFile&& other) noexcept { *this = std::move(other); }

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  path_.swap(other.path_);
  std::swap(direct_fd_, other.direct_fd_);
  std::swap(cache_, other.cache_);
  return *this;
}

InputFile::~InputFile() {
  if (fd_ >= 0) close(fd_);
  if (direct_fd_ >= 0) close(direct_fd_);
}

Result<InputFile> InputFile::open(const std::string& path, PageCache cache) {
  InputFile file;
  file.path_ = path;
  file.cache_ = cache;
  // O_NONBLOCK: a FIFO must be refused, not waited for.
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file.fd_ < 0) {
    const int reason = errno;
    // What is wrong with the file or its path, and not with this process or machine.
    const bool missing = reason == ENOENT || reason == ENOTDIR || reason == ENXIO || reason == EACCES ||
                         reason == EPERM || reason == ELOOP || reason == ENAMETOOLONG;
    return make_error(missing ? Code::kBadModel : Code::kFailed, path, kNoOffset, "cannot open: %s", strerror(reason));
  }
  SLUICE_DO(file.measure());
  if (cache == PageCache::kAvoid) file.direct_fd_ = open_direct(file.fd_, O_RDONLY);
  return file;
}

Result<InputFile> InputFile::duplicate(int fd, const std::string& name) {
  InputFile file;
  file.path_ = name;
  file.fd_ = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (file.fd_ < 0) return io_error(name, kNoOffset, "duplicate the descriptor", errno);
  SLUICE_DO(file.measure());
  return file;
}

Status InputFile::measure() {
  struct stat info;
  if (fstat(fd_, &info) != 0) return io_error(path_, kNoOffset, "read the file's size", errno);
  if (!S_ISREG(info.st_mode)) return make_error(Code::kBadModel, path_, kNoOffset, "not a regular file");
  size_ = uint64_t(info.st_size);
  return {};
}

Status InputFile::read_at(uint64_t offset, std::span<std::byte> out) const {
  const uint64_t begin = offset;
  std::byte* p = out.data();
  size_t left = out.size();
  if (offset > kMaxOffset || left > kMaxOffset - offset) {
    return make_error(Code::kBadModel, path_, offset, "no file reaches %zu bytes beyond this offset", left);
  }
  const bool there = direct_fd_ >= 0 && in_page_cache(fd_, offset, left);
  bool cached = false;
  while (left > 0) {
    const size_t most = std::min(left, kMaxTransfer);
    const bool direct = direct_fd_ >= 0 && !there && on_page(offset, p);
    const size_t pages = direct ? most / kPageBytes * kPageBytes : 0;
    ssize_t n = pages > 0 ? pread(direct_fd_, p, pages, off_t(offset)) : -1;
    if (pages == 0 || (n < 0 && errno == EINVAL)) {
      n = pread(fd_, p, most, off_t(offset));
      cached = true;
    }
    if (n < 0) {
      if (errno == EINTR) continue;
      return io_error(path_, offset, "read", errno);
    }
    if (n == 0) {
      return make_error(Code::kBadModel, path_, offset, "the file ends here, %zu more bytes were expected", left);
    }
    p += n;
    offset += uint64_t(n);
    left -= size_t(n);
  }
  if (cached && !there && cache_ != PageCache::kUse)
    posix_fadvise(fd_, off_t(begin), off_t(out.size()), POSIX_FADV_DONTNEED);
  return {};
}

// ---- small files -------------------------------------------------------------------------------------------------

Result<std::string> read_small_file(const std::string& path, uint64_t limit_bytes) {
  SLUICE_TRY(InputFile file, InputFile::open(path));
  if (file.size() > limit_bytes) {
    return make_error(Code::kBadModel, path, kNoOffset, "the file has %" PRIu64 " bytes, at most %" PRIu64 " are read",
                      file.size(), limit_bytes);
  }
  std::string text(size_t(file.size()), '\0');
  SLUICE_DO(file.read_at(0, std::as_writable_bytes(std::span(text.data(), text.size()))));
  return text;
}

Status write_small_file(const std::string& path, std::span<const std::byte> data) {
  SLUICE_TRY(OutputFile file, OutputFile::create(path, data.size()));
  SLUICE_DO(file.write_at(0, data));
  return file.commit();
}

}  // namespace sluice
