// SPDX-License-Identifier: Apache-2.0
// What reading and writing files have in common. For file.cc and output_file.cc alone.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/page_buffer.h"
#include "base/result.h"

namespace sluice::file_pages {

inline constexpr uint64_t kMaxOffset = INT64_MAX;        // off_t
inline constexpr size_t kMaxTransfer = size_t{1} << 30;  // one pread or pwrite

Error io_error(const std::string& path, uint64_t offset, const char* action, int reason);

// A second descriptor of the same file, with O_DIRECT and `flags`; -1 where the file system has no direct I/O. Some say
// so only when the first page is moved, with EINVAL.
int open_direct(int fd, int flags);

inline bool on_page(uint64_t offset, const std::byte* memory) {
  return offset % kPageBytes == 0 && reinterpret_cast<uintptr_t>(memory) % kPageBytes == 0;
}

}  // namespace sluice::file_pages
