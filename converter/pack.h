// SPDX-License-Identifier: Apache-2.0
// Rows of a source file to strips of the tile (schema/FORMAT.md): codes and scales are moved, never computed, but where
// the source's format has a remark. schema/tile.h is the slow oracle of the same layout.
#pragma once
#include <cstddef>
#include <cstdint>

#include "converter/block_formats.h"
#include "schema/layout.h"

namespace sluice {

// Writes one strip of `lanes` rows (16, or 1 in a row-major table). rows[0…n_rows-1]: whole source rows of `cols`
// weights, n_rows <= lanes; the rows that are missing become padding. `native` must be the format named by `source`.
void pack_strip(const BlockFormat& source, const FormatSpec& native, uint32_t cols, uint32_t lanes,
                const uint8_t* const* rows, uint32_t n_rows, std::byte* strip);

}  // namespace sluice
