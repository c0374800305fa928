// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sluice {
uint64_t hash64(std::span<const std::byte> data) { return XXH3_64bits(data.data(), data.size()); }
}  // namespace sluice
