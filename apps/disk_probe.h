// SPDX-License-Identifier: Apache-2.0
// How fast the disk under a model file delivers it, past the page cache.
#pragma once
#include <string>

namespace sluice {

// Sequential direct reads of 2 MiB by two threads, as weights are streamed, of up to 256 MiB or half a second, in 1e9 bytes
// a second; 0 where the file system knows no direct reads.
double probe_disk_GB_s(const std::string& path);

}  // namespace sluice
