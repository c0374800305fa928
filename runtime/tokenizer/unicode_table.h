// SPDX-License-Identifier: Apache-2.0
// The generated table of character classes; read through class_of() of unicode.h.
#pragma once
#include <cstdint>

namespace sluice {
extern const uint32_t kUnicodeRanges[];  // sorted: first code point << 8 | class bits
extern const uint32_t kUnicodeRangeCount;
}  // namespace sluice
