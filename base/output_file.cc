// SPDX-License-Identifier: Apache-2.0
// OutputFile of file.h: the temporary name and what becomes of it, and the two ways of its bytes to the disk.
#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <climits>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/file_pages.h"

namespace sluice {

using namespace file_pages;

namespace {

constexpr uint64_t kWriteWindow = uint64_t{8} << 20;       // unit of write-back when the cache is to be dropped
constexpr size_t kBounce = size_t{1} << 20;                // copied at once on the way to direct I/O
constexpr uint64_t kFreeSpaceReserve = uint64_t{1} << 20;  // for the file system's own blocks

// The temporary names of unfinished outputs, in static memory so that a signal handler may read them.
constexpr int kMaxOutputs = 32;
enum SlotState { kFree, kTaken, kActive };
struct Slot {
  std::atomic<int> state{kFree};
  char path[PATH_MAX];
};
Slot slots[kMaxOutputs];

int take_slot() {
  for (int i = 0; i < kMaxOutputs; ++i) {
    int expected = kFree;
    if (slots[i].state.compare_exchange_strong(expected, kTaken)) return i;
  }
  return -1;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Where an output goes: a symbolic link is written through, and only a regular file is ever replaced (the rename at the
// end would turn a device or a FIFO into a file). What that rename would refuse is refused here, before the work.
Result<std::string> target_of(std::string path) {
  constexpr int kMaxLinks = 40;  // as the kernel
  for (int links = 0;; ++links) {
    struct stat there;
    if (lstat(path.c_str(), &there) != 0) {
      if (errno == ENOENT) return path;
      return io_error(path, kNoOffset, "write here", errno);
    }
    if (S_ISREG(there.st_mode)) return path;
    if (S_ISDIR(there.st_mode)) return io_error(path, kNoOffset, "create", EISDIR);
    if (!S_ISLNK(there.st_mode)) {
      return make_error(Code::kFailed, path, kNoOffset, "not a regular file; give the name of a file");
    }
    if (links == kMaxLinks) return io_error(path, kNoOffset, "write here", ELOOP);
    char link[PATH_MAX];
    const ssize_t n = readlink(path.c_str(), link, sizeof link);
    if (n < 0 || size_t(n) == sizeof link)
      return io_error(path, kNoOffset, "follow the link", n < 0 ? errno : ENAMETOOLONG);
    const std::string_view to(link, size_t(n));
    path = to.starts_with('/') ? std::string(to) : folder_of(path) + "/" + std::string(to);
  }
}

constexpr char kPartPrefix[] = ".sluice-", kPartSuffix[] = ".part";

// Removes what killed processes left in this folder. An output under construction is locked, in whatever container its
// writer lives; one that was only just created may not be yet.
void sweep_unfinished(const std::string& folder) {
  constexpr time_t kSettledSeconds = 60;
  DIR* entries = opendir(folder.c_str());
  if (entries == nullptr) return;
  while (const dirent* entry = readdir(entries)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(kPartPrefix) || !name.ends_with(kPartSuffix)) continue;
    const int fd = openat(dirfd(entries), entry->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    struct stat info;
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_mtime + kSettledSeconds < time(nullptr) &&
        flock(fd, LOCK_EX | LOCK_NB) == 0)
      unlinkat(dirfd(entries), entry->d_name, 0);
    if (fd >= 0) close(fd);
  }
  closedir(entries);
}

// The new name itself must survive a power cut. A folder that may be written but not read, or that its file system
// cannot sync, is no failure: the file is whole.
Status sync_folder(const std::string& path) {
  const int folder = ::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return {};
  const int reason = fsync(folder) == 0 ? 0 : errno;
  close(folder);
  if (reason == 0 || reason == EINVAL || reason == ENOTSUP || reason == EROFS) return {};
  return io_error(path, kNoOffset, "write the file's name to the disk", reason);
}

}  // namespace

OutputFile::OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  path_.swap(other.path_);
  temporary_.swap(other.temporary_);
  std::swap(direct_fd_, other.direct_fd_);
  std::swap(cache_, other.cache_);
  std::swap(slot_, other.slot_);
  return *this;
}

OutputFile::~OutputFile() { abandon(); }

void OutputFile::close_descriptors() {
  close(fd_);
  if (direct_fd_ >= 0) close(direct_fd_);
  fd_ = direct_fd_ = -1;
}

void OutputFile::abandon() {
  if (fd_ < 0) return;
  close_descriptors();
  unlink(temporary_.c_str());
  slots[slot_].state.store(kFree);
  slot_ = -1;
}

Result<OutputFile> OutputFile::create(const std::string& name, uint64_t expected_bytes, PageCache cache) {
  SLUICE_TRY(const std::string path, target_of(name));
  struct statvfs space;
  if (statvfs(folder_of(path).c_str(), &space) != 0) return io_error(path, kNoOffset, "write here", errno);
  const uint64_t free_bytes = uint64_t(space.f_bavail) * space.f_frsize;
  if (expected_bytes != 0 && (free_bytes < kFreeSpaceReserve || expected_bytes > free_bytes - kFreeSpaceReserve)) {
    return make_error(Code::kFailed, path, kNoOffset,
                      "the file needs %" PRIu64 " bytes but the file system has only %" PRIu64 " free", expected_bytes,
                      free_bytes);
  }
  static std::atomic<unsigned> serial{0};
  sweep_unfinished(folder_of(path));
  OutputFile file;
  file.path_ = path;
  file.cache_ = cache;
  const int slot = take_slot();
  if (slot < 0) return make_error(Code::kFailed, path, kNoOffset, "more than %d unfinished outputs", kMaxOutputs);
  for (;;) {
    // A name of its own in the same folder: the longest name that a file system allows must still be writable.
    file.temporary_ =
        folder_of(path) + "/" + kPartPrefix + std::to_string(getpid()) + "-" + std::to_string(serial++) + kPartSuffix;
    if (file.temporary_.size() >= sizeof slots[slot].path) {
      slots[slot].state.store(kFree);
      return io_error(path, kNoOffset, "create", ENAMETOOLONG);
    }
    memcpy(slots[slot].path, file.temporary_.c_str(), file.temporary_.size() + 1);
    slots[slot].state.store(kActive);  // before the file exists: a signal at any time finds the name
    file.fd_ = ::open(file.temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file.fd_ >= 0) break;
    const int reason = errno;
    slots[slot].state.store(kTaken);
    if (reason == EEXIST) continue;  // left by a killed process that had our number
    slots[slot].state.store(kFree);
    return io_error(path, kNoOffset, "create", reason);
  }
  file.slot_ = slot;
  flock(file.fd_, LOCK_EX | LOCK_NB);  // says that its writer lives; a file system without locks says nothing
  if (cache == PageCache::kAvoid) file.direct_fd_ = open_direct(file.fd_, O_WRONLY);
  return file;
}

Status OutputFile::write_at(uint64_t offset, std::span<const std::byte> data) {
  const std::byte* p = data.data();
  size_t left = data.size();
  if (offset > kMaxOffset || left > kMaxOffset - offset) return io_error(path_, offset, "write", EFBIG);
  PageBuffer bounce;
  while (left > 0) {
    const std::byte* from = p;
    size_t most = std::min(left, kMaxTransfer);
    const bool pages = direct_fd_ >= 0 && offset % kPageBytes == 0 && most >= kPageBytes;
    if (pages) {
      most -= most % kPageBytes;
      if (!on_page(offset, p)) {
        most = std::min(most, kBounce);
        bounce.reserve(most);
        memcpy(bounce.data(), p, most);
        from = bounce.data();
      }
    }
    ssize_t n = pages ? pwrite(direct_fd_, from, most, off_t(offset)) : -1;
    const bool cached = !pages || (n < 0 && errno == EINVAL);
    if (cached) n = pwrite(fd_, p, most, off_t(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return io_error(path_, offset, "write", errno);
    }
    if (cached && cache_ != PageCache::kUse) forget(offset, offset + uint64_t(n));
    p += n;
    offset += uint64_t(n);
    left -= size_t(n);
  }
  return {};
}

// Only clean pages can be dropped: start the write-back of each window that [begin, end) finishes, wait for the one
// before it.
void OutputFile::forget(uint64_t begin, uint64_t end) {
  for (uint64_t w = begin / kWriteWindow; w < end / kWriteWindow; ++w) {
    sync_file_range(fd_, off_t(w * kWriteWindow), kWriteWindow, SYNC_FILE_RANGE_WRITE);
    if (w == 0) continue;
    const off_t before = off_t((w - 1) * kWriteWindow);
    sync_file_range(fd_, before, kWriteWindow,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    posix_fadvise(fd_, before, kWriteWindow, POSIX_FADV_DONTNEED);
  }
}

Status OutputFile::commit() {
  if (fsync(fd_) != 0) return io_error(path_, kNoOffset, "write to the disk", errno);
  if (cache_ != PageCache::kUse) posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return io_error(path_, kNoOffset, "rename into place", errno);
  close_descriptors();
  slots[slot_].state.store(kFree);
  slot_ = -1;
  return sync_folder(path_);
}

void remove_unfinished_outputs() {
  for (Slot& slot : slots) {
    if (slot.state.load() == kActive) unlink(slot.path);
  }
}

}  // namespace sluice
