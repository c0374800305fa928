// SPDX-License-Identifier: Apache-2.0
// XXH3-64 (libxxhash), the one hash of the .slm file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice {
uint64_t hash64(std::span<const std::byte> data);
}
