// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/residence.h"

#include <algorithm>

#include "base/checked.h"
#include "schema/layout.h"

namespace sluice {
namespace {

bool holds_vectors(const fb::Header& header, const fb::Extent& extent) {
  return std::all_of(extent.members()->begin(), extent.members()->end(),
                     [&](uint32_t tensor) { return is_vector(header.tensors()->Get(tensor)->role()); });
}

void place_vectors(const fb::Header& header, const fb::Extent& extent, Residence& at) {
  for (uint32_t tensor : *extent.members()) {
    at.vector_place[tensor] = at.n_floats;
    at.n_floats += round_up(uint64_t(header.tensors()->Get(tensor)->cols()), 16);  // 64-byte borders
  }
}

void place_chunk(const fb::Header& header, uint32_t chunk, Residence& at) {
  const fb::Chunk& c = *header.chunks()->Get(chunk);
  const uint64_t bytes = round_up(uint64_t(c.bytes()), kSlmAlignment);
  const uint64_t place = at.weight_bytes;
  at.chunk_place[chunk] = place;
  at.weight_bytes += bytes;
  if (!at.pieces.empty()) {
    Residence::Piece& last = at.pieces.back();
    if (last.first_chunk + last.n_chunks == chunk && last.file_offset + last.bytes == c.offset() &&
        last.bytes + bytes <= Residence::kReadBytes) {
      last.n_chunks += 1, last.bytes += bytes;
      return;
    }
  }
  at.pieces.push_back({chunk, 1, c.offset(), place, bytes});
}

template <class Wanted>
Residence place_all(const fb::Header& header, Wanted wanted) {
  Residence at;
  at.chunk_place.assign(header.chunks() ? header.chunks()->size() : 0, kNotResident);
  at.vector_place.assign(header.tensors() ? header.tensors()->size() : 0, kNotResident);
  if (!header.extents()) return at;
  for (const fb::Extent* extent : *header.extents()) {
    const uint32_t begin = extent->first_chunk(), end = begin + extent->n_chunks();
    uint64_t largest = 0;
    for (uint32_t c = begin; c < end; ++c) largest = std::max<uint64_t>(largest, header.chunks()->Get(c)->bytes());
    if (holds_vectors(header, *extent)) {
      place_vectors(header, *extent, at);
      at.largest_vector_chunk = std::max(at.largest_vector_chunk, largest);
    } else if (extent->access() == fb::Access::GatherRows) {
      at.largest_gather_chunk = std::max(at.largest_gather_chunk, largest);
    } else {
      for (uint32_t c = begin; c < end; ++c)
        if (wanted(c)) place_chunk(header, c, at);
    }
  }
  return at;
}

}  // namespace

Residence residence_of(const fb::Header& header) {
  return place_all(header, [](uint32_t) { return true; });
}

Residence residence_of(const fb::Header& header, const std::vector<bool>& wanted) {
  return place_all(header, [&](uint32_t chunk) { return bool(wanted[chunk]); });
}

}  // namespace sluice
