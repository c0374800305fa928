// SPDX-License-Identifier: Apache-2.0
// Uses an accepted .slm file the way a runtime does: every index, offset and table is followed without a check of its
// own, so that a sanitizer or a crash shows what the semantic check let through.
#pragma once
#include "schema/reader.h"

namespace sluice {

// A number that depends on everything that was read (so that nothing is optimized away). Chunk hashes are not compared.
uint64_t exercise(const SlmFile& file);

}  // namespace sluice
