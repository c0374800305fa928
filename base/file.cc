// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <climits>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

namespace sluice {

namespace {

constexpr uint64_t kMaxOffset = INT64_MAX;                 // off_t
constexpr size_t kMaxTransfer = size_t{1} << 30;           // one pread or pwrite
constexpr uint64_t kWriteWindow = uint64_t{8} << 20;       // unit of write-back when the cache is to be dropped
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

Error io_error(const std::string& path, uint64_t offset, const char* action, int reason) {
  return make_error(Code::kFailed, path, offset, "cannot %s: %s", action, strerror(reason));
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

// ---- InputFile ---------------------------------------------------------------------------------------------------

InputFile::InputFile(InputFile&& other) noexcept { *this = std::move(other); }

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  path_.swap(other.path_);
  std::swap(drop_cache_, other.drop_cache_);
  return *this;
}

InputFile::~InputFile() {
  if (fd_ >= 0) close(fd_);
}

Result<InputFile> InputFile::open(const std::string& path, bool drop_cache) {
  InputFile file;
  file.path_ = path;
  file.drop_cache_ = drop_cache;
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
  while (left > 0) {
    const ssize_t n = pread(fd_, p, left < kMaxTransfer ? left : kMaxTransfer, off_t(offset));
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
  if (drop_cache_) posix_fadvise(fd_, off_t(begin), off_t(out.size()), POSIX_FADV_DONTNEED);
  return {};
}

// ---- OutputFile --------------------------------------------------------------------------------------------------

OutputFile::OutputFile(OutputFile&& other) noexcept { *this = std::move(other); }

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  path_.swap(other.path_);
  temporary_.swap(other.temporary_);
  std::swap(drop_cache_, other.drop_cache_);
  std::swap(slot_, other.slot_);
  return *this;
}

OutputFile::~OutputFile() { abandon(); }

void OutputFile::abandon() {
  if (fd_ < 0) return;
  close(fd_);
  fd_ = -1;
  unlink(temporary_.c_str());
  slots[slot_].state.store(kFree);
  slot_ = -1;
}

Result<OutputFile> OutputFile::create(const std::string& name, uint64_t expected_bytes, bool drop_cache) {
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
  file.drop_cache_ = drop_cache;
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
  return file;
}

Status OutputFile::write_at(uint64_t offset, std::span<const std::byte> data) {
  const uint64_t begin = offset;
  const std::byte* p = data.data();
  size_t left = data.size();
  if (offset > kMaxOffset || left > kMaxOffset - offset) return io_error(path_, offset, "write", EFBIG);
  while (left > 0) {
    const ssize_t n = pwrite(fd_, p, left < kMaxTransfer ? left : kMaxTransfer, off_t(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      return io_error(path_, offset, "write", errno);
    }
    p += n;
    offset += uint64_t(n);
    left -= size_t(n);
  }
  if (!drop_cache_) return {};
  // Only clean pages can be dropped: start the write-back of each finished window, wait for the one before it.
  for (uint64_t w = begin / kWriteWindow; w < offset / kWriteWindow; ++w) {
    sync_file_range(fd_, off_t(w * kWriteWindow), kWriteWindow, SYNC_FILE_RANGE_WRITE);
    if (w == 0) continue;
    const off_t before = off_t((w - 1) * kWriteWindow);
    sync_file_range(fd_, before, kWriteWindow,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
    posix_fadvise(fd_, before, kWriteWindow, POSIX_FADV_DONTNEED);
  }
  return {};
}

Status OutputFile::commit() {
  if (fsync(fd_) != 0) return io_error(path_, kNoOffset, "write to the disk", errno);
  if (drop_cache_) posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED);
  if (rename(temporary_.c_str(), path_.c_str()) != 0) return io_error(path_, kNoOffset, "rename into place", errno);
  close(fd_);
  fd_ = -1;
  slots[slot_].state.store(kFree);
  slot_ = -1;
  return sync_folder(path_);
}

void remove_unfinished_outputs() {
  for (Slot& slot : slots) {
    if (slot.state.load() == kActive) unlink(slot.path);
  }
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
