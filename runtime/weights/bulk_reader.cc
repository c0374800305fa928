// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/bulk_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/check.h"
#include "base/log.h"

namespace sluice {

std::shared_ptr<const BulkReader> BulkReader::open(std::shared_ptr<const ByteSource> source, bool around_cache) {
  std::shared_ptr<BulkReader> reader(new BulkReader(std::move(source)));
  reader->file_ = dynamic_cast<const FileSource*>(reader->source_.get());
  if (reader->file_ == nullptr) {
    reader->path_ = Path::kCallback;
  } else if (around_cache) {
    reader->open_direct(*reader->file_);
  }
  return reader;
}

BulkReader::~BulkReader() {
  if (direct_fd_ >= 0) close(direct_fd_);
}

// The descriptor may be another program's and its flags shared with it, so the file is opened a second time.
void BulkReader::open_direct(const FileSource& file) {
  path_ = Path::kDirect;
  if (file.base() % kPage != 0) return give_up_direct("the model does not begin on a page of its file");
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", file.file().fd());
  direct_fd_ = ::open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
  if (direct_fd_ < 0) give_up_direct(strerror(errno));
}

void BulkReader::give_up_direct(const char* reason) const {
  if (path_.exchange(Path::kDropped) == Path::kDropped) return;
  log(LogLevel::kWarning, "%s: no direct I/O (%s); weights pass through the page cache, which is asked to forget them",
      source_->name().c_str(), reason);
}

Status BulkReader::read(uint64_t offset, std::span<std::byte> out) const {
  SLUICE_DCHECK(offset % kPage == 0 && out.size() % kPage == 0 && reinterpret_cast<uintptr_t>(out.data()) % kPage == 0);
  if (path() == Path::kDirect && read_direct(offset, out)) return {};
  // What direct I/O could not read is read again, or its error found, in the ordinary way.
  SLUICE_DO(source_->read_at(offset, out));
  if (file_ != nullptr && path() != Path::kCached)
    posix_fadvise(file_->file().fd(), off_t(file_->base() + offset), off_t(out.size()), POSIX_FADV_DONTNEED);
  return {};
}

bool BulkReader::read_direct(uint64_t offset, std::span<std::byte> out) const {
  if (offset > file_->size() || out.size() > file_->size() - offset) return false;
  for (size_t done = 0; done < out.size();) {
    const ssize_t n = pread(direct_fd_, out.data() + done, out.size() - done, off_t(file_->base() + offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EINVAL) give_up_direct(strerror(EINVAL));
    if (n <= 0 || n % kPage != 0) return false;
    done += size_t(n);
  }
  return true;
}

Result<const std::byte*> BulkReader::read_part(uint64_t offset, uint64_t bytes, std::span<std::byte> buffer) const {
  const uint64_t begin = offset / kPage * kPage, end = (offset + bytes + kPage - 1) / kPage * kPage;
  SLUICE_CHECK(end - begin <= buffer.size());
  SLUICE_DO(read(begin, buffer.first(end - begin)));
  return static_cast<const std::byte*>(buffer.data() + (offset - begin));
}

uint64_t BulkReader::version() const {
  struct stat info;
  if (file_ == nullptr || fstat(file_->file().fd(), &info) != 0) return 0;
  constexpr uint64_t kMix = 0x9E3779B97F4A7C15;  // odd: no two of these numbers cancel each other by accident
  uint64_t version = uint64_t(info.st_size);
  for (const timespec& time : {info.st_mtim, info.st_ctim})
    version = (version * kMix + uint64_t(time.tv_sec)) * kMix + uint64_t(time.tv_nsec);
  return version;
}

const char* BulkReader::path_name(Path path) {
  constexpr const char* kNames[] = {"cached", "direct", "dropped", "callback"};
  return kNames[size_t(path)];
}

}  // namespace sluice
