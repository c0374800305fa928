// SPDX-License-Identifier: Apache-2.0
// Which chunks of a file stay in memory and where each lies there: a pure function of the header and of what is wanted,
// shared by the plan (how many bytes) and the weight store (which places). In memory chunks keep the 4 KiB padding they
// have on disk, so that neighbours arrive in one read.
#pragma once
#include <cstdint>
#include <vector>

#include "schema/model_generated.h"

namespace sluice {

inline constexpr uint64_t kNotResident = ~uint64_t{0};

struct Residence {
  // A run of chunks that is contiguous in the file and in memory, at most kReadBytes unless it is one chunk.
  struct Piece {
    uint32_t first_chunk = 0, n_chunks = 0;
    uint64_t file_offset = 0, memory_offset = 0, bytes = 0;
  };
  static constexpr uint64_t kReadBytes = 2 << 20;

  std::vector<uint64_t> chunk_place;   // per chunk: offset into the weight block, or kNotResident
  std::vector<uint64_t> vector_place;  // per tensor: index of its first float among the vectors, or kNotResident
  std::vector<Piece> pieces;           // cover every resident chunk once
  uint64_t weight_bytes = 0, n_floats = 0;
  uint64_t largest_vector_chunk = 0, largest_gather_chunk = 0;  // bytes, read through a buffer
};

// `header` has passed the reader's checks. The first: all weights are resident; the second: of their chunks, those that
// are wanted.
Residence residence_of(const fb::Header& header);
Residence residence_of(const fb::Header& header, const std::vector<bool>& wanted);

}  // namespace sluice
