// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cinttypes>
#include <vector>

#include "base/checked.h"
#include "base/hash.h"
#include "schema/check.h"
#include "schema/reader.h"

namespace sluice {

namespace {

constexpr uint32_t kMaxPlanes = 6;  // of a format: one per bit

bool planes_layout(const fb::Header& header) { return header.layout()->string_view() == "planes"; }

// ---- formats -----------------------------------------------------------------------------------------------------

bool same_plane(const fb::Plane& a, const fb::Plane& b) {
  return a.bits() == b.bits() && a.shift() == b.shift() && a.required() == b.required() && a.offset() == b.offset() &&
         a.bytes() == b.bytes();
}

Status check_packed_planes(const HeaderCheck& check, uint32_t index, const fb::Format& format, const FormatSpec& spec) {
  const std::vector<fb::Plane> expected = packed_planes(spec);
  const auto* planes = format.planes();
  bool same = size_of(planes) == expected.size();
  for (uint32_t p = 0; same && p < expected.size(); ++p) same = same_plane(*planes->Get(p), expected[p]);
  if (!same) return check.refuse("format %u: its planes are not the %zu sections of its codes", index, expected.size());
  return {};
}

// Planes layout: the first plane holds the highest bits with everything that is not codes, the others the rest of the
// bits downwards; each is `bytes` long in a file of its own blocks.
Status check_separate_planes(const HeaderCheck& check, uint32_t index, const fb::Format& format,
                             const FormatSpec& spec) {
  const auto* planes = format.planes();
  const uint32_t n = size_of(planes);
  if (n == 0 || n > kMaxPlanes)
    return check.refuse("format %u has %u planes, 1 to %u are allowed", index, n, kMaxPlanes);
  if (n > 1 && spec.code != fb::CodeKind::Unsigned) {
    return check.refuse("format %u: only codes of up to 6 bits can lie in planes", index);
  }
  const uint32_t code_bytes = spec.block_inputs * spec.code_bits * kTileRows / 8;
  uint32_t shift = spec.code_bits;
  for (uint32_t p = 0; p < n; ++p) {
    const fb::Plane& plane = *planes->Get(p);
    if (plane.bits() == 0 || plane.bits() > shift || plane.shift() != shift - plane.bits()) {
      return check.refuse("format %u: plane %u has bits %d from bit %d on, but bit %u is the next one downwards", index,
                          p, plane.bits(), plane.shift(), shift);
    }
    shift -= plane.bits();
    const uint32_t side_bytes = p == 0 ? spec.block_bytes - code_bytes : 0;
    const uint32_t bytes = side_bytes + spec.block_inputs * plane.bits() * kTileRows / 8;
    if (plane.offset() != 0 || plane.bytes() != bytes) {
      return check.refuse("format %u: plane %u has %u bytes at %u of a block, expected %u at 0", index, p,
                          plane.bytes(), plane.offset(), bytes);
    }
    if (p == 0 ? !plane.required() : plane.required() && !planes->Get(p - 1)->required()) {
      return check.refuse("format %u: plane %u: required planes come first, and the first is one", index, p);
    }
  }
  if (shift != 0) return check.refuse("format %u: the planes lack the %u lowest bits of the codes", index, shift);
  return {};
}

Status check_formats(const HeaderCheck& check) {
  const auto* formats = check.header.formats();
  if (size_of(formats) > kMaxFormats) {
    return check.refuse("%u formats, at most %u are allowed", size_of(formats), kMaxFormats);
  }
  for (uint32_t f = 0; f < size_of(formats); ++f) {
    const fb::Format& format = *formats->Get(f);
    const uint32_t table = size_of(format.table());
    if (table != 0 && table != 16) return check.refuse("format %u: a table of %u values, 16 are needed", f, table);
    if (size_of(format.name()) > kMaxNameBytes) return check.refuse("format %u: the name is too long", f);
    const FormatSpec spec = spec_of(format);
    if (Status known = check_format(spec); !known.ok()) {
      return check.refuse("format %u: %s", f, known.error().message.c_str());
    }
    SLUICE_DO(planes_layout(check.header) ? check_separate_planes(check, f, format, spec)
                                          : check_packed_planes(check, f, format, spec));
  }
  return {};
}

// ---- tensors -----------------------------------------------------------------------------------------------------

Status check_tensors(const HeaderCheck& check) {
  const fb::Header& header = check.header;
  const uint32_t n_tensors = size_of(header.tensors()), n_extents = size_of(header.extents());
  if (n_tensors > kMaxTensors) return check.refuse("%u tensors, at most %u are allowed", n_tensors, kMaxTensors);
  if (n_extents > kMaxExtents) return check.refuse("%u extents, at most %u are allowed", n_extents, kMaxExtents);
  for (uint32_t t = 0; t < n_tensors; ++t) {
    const fb::Tensor& tensor = *header.tensors()->Get(t);
    if (tensor.format() >= size_of(header.formats())) {
      return check.refuse("tensor %u: format %u of %u", t, tensor.format(), size_of(header.formats()));
    }
    if (tensor.rows() == 0 || tensor.rows() > kMaxDimension || tensor.cols() == 0 || tensor.cols() > kMaxDimension) {
      return check.refuse("tensor %u: %u rows and %u columns, each must be 1 to %u", t, tensor.rows(), tensor.cols(),
                          kMaxDimension);
    }
    if (tensor.extent() >= n_extents) return check.refuse("tensor %u: extent %u of %u", t, tensor.extent(), n_extents);
    const fb::Extent& extent = *header.extents()->Get(tensor.extent());
    if (tensor.member() >= size_of(extent.members()) || extent.members()->Get(tensor.member()) != t ||
        extent.plane() != 0) {
      return check.refuse("tensor %u: member %u of extent %u is not this tensor's first plane", t, tensor.member(),
                          tensor.extent());
    }
    if (uint8_t(tensor.row_order()) > uint8_t(fb::RowOrder::MAX)) {
      return check.refuse("tensor %u: unknown row order %d", t, int(tensor.row_order()));
    }
    if (size_of(tensor.source_name()) > kMaxNameBytes) return check.refuse("tensor %u: the name is too long", t);
  }
  return {};
}

// ---- extents and chunks ------------------------------------------------------------------------------------------

// Chunk sizes: 256 KiB to 1 MiB, or one strip, or all of a small tensor.
Status check_chunk_size(const HeaderCheck& check, uint32_t index, const ExtentShape& shape) {
  const uint32_t most_strips = *std::max_element(shape.n_strips.begin(), shape.n_strips.end());
  const uint32_t per_chunk = shape.strips_per_chunk;
  if (per_chunk == 0 || per_chunk > most_strips) {
    return check.refuse("extent %u: %u strips per chunk of %u", index, per_chunk, most_strips);
  }
  uint64_t tuple = 0;
  for (uint32_t bytes : shape.strip_bytes) tuple = shape.interleaved ? tuple + bytes : std::max<uint64_t>(tuple, bytes);
  const uint64_t full = tuple * per_chunk;  // both below 2^32
  if (full > kMaxChunkBytes || (per_chunk > 1 && full > kFullChunkBytes)) {
    return check.refuse("extent %u: chunks of %" PRIu64 " bytes, at most %u are allowed", index, full,
                        per_chunk > 1 ? kFullChunkBytes : kMaxChunkBytes);
  }
  if (per_chunk > 1 && most_strips > per_chunk && full < kMinChunkBytes) {
    return check.refuse("extent %u: chunks of %" PRIu64 " bytes, at least %u are needed", index, full, kMinChunkBytes);
  }
  return {};
}

// An expert's extent holds its gate, up and down in this order; later planes those of them that have such a plane.
Status check_expert(const HeaderCheck& check, uint32_t index) {
  const fb::Extent& extent = *check.header.extents()->Get(index);
  const uint32_t n_members = extent.members()->size();
  bool right = extent.plane() != 0 || n_members == 3;
  int before = int(fb::Role::ExpertGate) - 1;
  for (uint32_t m = 0; m < n_members; ++m) {
    const int role = int(check.header.tensors()->Get(extent.members()->Get(m))->role());
    right = right && role > before && role <= int(fb::Role::ExpertDown);
    before = role;
  }
  if (right) return {};
  return check.refuse("extent %u: it is not the gate, up and down of an expert in this order", index);
}

// The members and fields of one extent; `planes_seen` collects, per tensor, which planes have a place.
Status check_extent(const HeaderCheck& check, uint32_t index, std::vector<uint8_t>& planes_seen) {
  const fb::Header& header = check.header;
  const fb::Extent& extent = *header.extents()->Get(index);
  const uint32_t n_members = size_of(extent.members());
  const bool expert = extent.access() == fb::Access::GatherExpert;
  if (uint8_t(extent.access()) > uint8_t(fb::Access::MAX)) {
    return check.refuse("extent %u: unknown access %d", index, int(extent.access()));
  }
  if (n_members == 0 || n_members > kMaxMembers || size_of(extent.strip_bytes()) != n_members) {
    return check.refuse("extent %u: %u members with %u strip sizes, 1 to %u of both are allowed", index, n_members,
                        size_of(extent.strip_bytes()), kMaxMembers);
  }
  if (n_members > 1 && !extent.interleaved() && !expert) {
    return check.refuse("extent %u: %u members that do not alternate, only an expert may have them", index, n_members);
  }
  if (n_members == 1 && extent.interleaved()) return check.refuse("extent %u: one member cannot alternate", index);
  const uint32_t lanes = extent.access() == fb::Access::GatherRows ? 1 : kTileRows;
  if (extent.rows_per_strip() != lanes) {
    return check.refuse("extent %u: %u rows per strip, its access needs %u", index, extent.rows_per_strip(), lanes);
  }
  if (expert ? extent.layer() < 0 || extent.expert() < 0 : extent.expert() != -1) {
    return check.refuse("extent %u: layer %d and expert %d do not suit its access", index, extent.layer(),
                        extent.expert());
  }
  for (uint32_t m = 0; m < n_members; ++m) {
    const uint32_t t = extent.members()->Get(m);
    if (t >= size_of(header.tensors())) {
      return check.refuse("extent %u: member %u is tensor %u of %u", index, m, t, size_of(header.tensors()));
    }
    const fb::Tensor& tensor = *header.tensors()->Get(t);
    if (tensor.expert() != extent.expert() || (tensor.layer() != extent.layer() && extent.layer() != -1)) {
      return check.refuse("extent %u: tensor %u belongs to another layer or expert", index, t);
    }
    const fb::Format& format = *header.formats()->Get(tensor.format());
    const bool planes = planes_layout(header);
    if (extent.plane() >= (planes ? size_of(format.planes()) : 1)) {
      return check.refuse("extent %u: tensor %u has no plane %d", index, t, extent.plane());
    }
    const uint8_t bit = uint8_t(1u << extent.plane());
    if ((planes_seen[t] & bit) != 0) return check.refuse("extent %u: tensor %u has a place already", index, t);
    planes_seen[t] |= bit;
    if (extent.plane() == 0 && (tensor.extent() != index || tensor.member() != m)) {
      return check.refuse("extent %u: tensor %u names another place", index, t);
    }
    const uint32_t block_bytes = planes ? format.planes()->Get(extent.plane())->bytes() : format.block_bytes();
    const uint64_t bytes = blocks_per_row(spec_of(format), tensor.cols()) * (block_bytes / kTileRows) * lanes;
    if (extent.strip_bytes()->Get(m) != bytes || bytes > kMaxChunkBytes) {
      return check.refuse("extent %u: strips of tensor %u have %u bytes, %" PRIu64 " expected", index, t,
                          extent.strip_bytes()->Get(m), bytes);
    }
  }
  if (expert) SLUICE_DO(check_expert(check, index));
  const ExtentShape shape = shape_of(header, extent);
  uint64_t n_strips = 0;
  for (uint32_t n : shape.n_strips) {
    if (shape.interleaved && n != shape.n_strips[0]) {
      return check.refuse("extent %u: members that alternate have %u and %u strips", index, shape.n_strips[0], n);
    }
    n_strips = shape.interleaved ? n : n_strips + n;
  }
  if (extent.n_strips() != n_strips) {
    return check.refuse("extent %u: %u strips, %" PRIu64 " expected", index, extent.n_strips(), n_strips);
  }
  SLUICE_DO(check_chunk_size(check, index, shape));
  if (const uint64_t count = chunk_count(shape); extent.n_chunks() != count) {
    return check.refuse("extent %u: %u chunks, %" PRIu64 " expected", index, extent.n_chunks(), count);
  }
  return {};
}

// The chunks of an extent that has been checked: sizes, alignment, order. `end` is where the last chunk ended.
Status check_chunks(const HeaderCheck& check, uint32_t index, uint64_t& end) {
  const fb::Header& header = check.header;
  const fb::Extent& extent = *header.extents()->Get(index);
  const ExtentShape shape = shape_of(header, extent);
  const uint64_t header_begin = check.preamble.header_offset, file_bytes = check.preamble.file_bytes;
  const uint64_t header_end = round_up(header_begin + check.preamble.header_bytes, kSlmAlignment);
  std::vector<uint64_t> hashes;
  for (uint32_t c = 0; c < extent.n_chunks(); ++c) {
    const uint32_t number = extent.first_chunk() + c;
    const fb::Chunk& chunk = *header.chunks()->Get(number);
    const ChunkContents contents = chunk_contents(shape, c);
    if (chunk.bytes() != contents.bytes) {
      return check.refuse("chunk %u of extent %u: %u bytes, its %u strips have %" PRIu64, number, index, chunk.bytes(),
                          contents.n_strips, contents.bytes);
    }
    const uint64_t begin = chunk.offset();
    if (begin % kSlmAlignment != 0 || begin < end) {
      return check.refuse("chunk %u: offset %" PRIu64 " is not a multiple of %" PRIu64 " after the chunk before it",
                          number, begin, kSlmAlignment);
    }
    const CheckedU64 padded_end = round_up(CheckedU64(begin) + CheckedU64(chunk.bytes()), kSlmAlignment);
    if (!padded_end.at_most(file_bytes)) {
      return check.refuse("chunk %u: %u bytes at %" PRIu64 " do not lie inside the file of %" PRIu64 " bytes", number,
                          chunk.bytes(), begin, file_bytes);
    }
    if (begin < header_end && padded_end.value() > header_begin) {
      return check.refuse("chunk %u at %" PRIu64 " overlaps the header", number, begin);
    }
    if (chunk.reserved() != 0) return check.refuse("chunk %u: the reserved field is not 0", number);
    end = padded_end.value();
    if (extent.access() == fb::Access::GatherExpert) hashes.push_back(chunk.hash());
  }
  const uint64_t hash = hashes.empty() ? 0 : hash64(std::as_bytes(std::span(hashes)));
  if (extent.hash() != hash) return check.refuse("extent %u: its hash is not that of its chunks", index);
  return {};
}

}  // namespace

Status check_weights(const HeaderCheck& check) {
  const fb::Header& header = check.header;
  if (header.layout() == nullptr || (header.layout()->string_view() != "packed" && !planes_layout(header))) {
    return check.refuse("the layout is neither \"packed\" nor \"planes\"");
  }
  if (size_of(header.chunks()) > kMaxChunks) {
    return check.refuse("%u chunks, at most %u are allowed", size_of(header.chunks()), kMaxChunks);
  }
  if (!is_aligned(header.chunks())) return check.refuse("the chunk table is not aligned to 8 bytes");
  SLUICE_DO(check_formats(check));
  SLUICE_DO(check_tensors(check));
  std::vector<uint8_t> planes_seen(size_of(header.tensors()));
  uint64_t n_chunks = 0, end = kSlmAlignment;
  for (uint32_t e = 0; e < size_of(header.extents()); ++e) {
    SLUICE_DO(check_extent(check, e, planes_seen));
    const fb::Extent& extent = *header.extents()->Get(e);
    if (extent.first_chunk() != n_chunks || extent.n_chunks() > size_of(header.chunks()) - n_chunks) {
      return check.refuse("extent %u: chunks %u to %" PRIu64 ", but %" PRIu64 " of %u are taken", e,
                          extent.first_chunk(), uint64_t{extent.first_chunk()} + extent.n_chunks(), n_chunks,
                          size_of(header.chunks()));
    }
    n_chunks += extent.n_chunks();
    SLUICE_DO(check_chunks(check, e, end));
  }
  if (n_chunks != size_of(header.chunks())) {
    return check.refuse("%u chunks, but the extents hold %" PRIu64, size_of(header.chunks()), n_chunks);
  }
  for (uint32_t t = 0; t < planes_seen.size(); ++t) {
    const fb::Format& format = *header.formats()->Get(header.tensors()->Get(t)->format());
    const uint32_t n_planes = planes_layout(header) ? size_of(format.planes()) : 1;
    if (planes_seen[t] != (1u << n_planes) - 1) return check.refuse("tensor %u: a plane of it has no extent", t);
  }
  return {};
}

}  // namespace sluice
