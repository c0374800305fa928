// SPDX-License-Identifier: Apache-2.0
// Where the rows of a tensor lie in the chunks of its file: pure arithmetic on the header.
#pragma once
#include <cstdint>

#include "schema/layout.h"

namespace sluice {

struct RowPlace {
  uint32_t chunk = 0;   // of the file
  uint32_t offset = 0;  // of the row's strip inside the chunk
  uint32_t lane = 0;
};

struct TensorPlace {
  MemberPlace member;        // its first_chunk counts from the file's first chunk
  uint32_t lanes = kTileRows;  // rows of a strip

  RowPlace row(uint32_t row) const {
    const uint32_t strip = row / lanes;
    return {member.first_chunk + strip / member.strips_per_chunk,
            member.strip_offset + strip % member.strips_per_chunk * member.strip_stride, row % lanes};
  }
};

// The header has passed the reader's checks.
TensorPlace tensor_place(const fb::Header& header, uint32_t tensor);

}  // namespace sluice
