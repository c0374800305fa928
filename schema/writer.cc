// SPDX-License-Identifier: Apache-2.0
#include "schema/writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "base/hash.h"

namespace sluice {

uint32_t SlmWriter::add_extent(const ExtentSpec& spec) {
  SLUICE_CHECK(!spec.members.empty() && spec.members.size() == spec.strip_bytes.size() &&
               spec.members.size() == spec.n_strips.size());
  ExtentShape shape{spec.interleaved, 1, spec.strip_bytes, spec.n_strips};
  uint64_t tuple = 0, strips = 0;
  for (size_t m = 0; m < spec.members.size(); ++m) {
    tuple = spec.interleaved ? tuple + spec.strip_bytes[m] : std::max<uint64_t>(tuple, spec.strip_bytes[m]);
    strips = spec.interleaved ? spec.n_strips[m] : strips + spec.n_strips[m];
  }
  shape.strips_per_chunk = chunking(tuple, *std::max_element(spec.n_strips.begin(), spec.n_strips.end()));

  auto extent = std::make_unique<fb::ExtentT>();
  extent->access = spec.access;
  extent->layer = spec.layer;
  extent->expert = spec.expert;
  extent->members = spec.members;
  extent->strip_bytes = spec.strip_bytes;
  extent->rows_per_strip = spec.access == fb::Access::GatherRows ? 1 : kTileRows;
  extent->interleaved = spec.interleaved;
  extent->n_strips = uint32_t(strips);
  extent->strips_per_chunk = shape.strips_per_chunk;
  extent->first_chunk = uint32_t(chunks_.size());
  extent->n_chunks = uint32_t(chunk_count(shape));
  extent->plane = spec.plane;
  for (uint32_t c = 0; c < extent->n_chunks; ++c) {
    const uint64_t bytes = chunk_contents(shape, c).bytes;
    chunks_.emplace_back(weights_end_, uint32_t(bytes), 0, 0);
    weights_end_ = round_up(weights_end_ + bytes, kSlmAlignment);
  }
  extents_.push_back(std::move(extent));
  shapes_.push_back(std::move(shape));
  return uint32_t(extents_.size() - 1);
}

Status SlmWriter::start(const std::string& path, uint64_t header_bytes_estimate, PageCache cache) {
  header_estimate_ = std::min(header_bytes_estimate, kMaxHeaderBytes);
  SLUICE_TRY(file_, OutputFile::create(path, weights_end_ + header_bytes_estimate, cache));
  return {};
}

void SlmWriter::note_written(uint32_t extent, uint32_t chunk, std::span<const std::byte> data) {
  SLUICE_CHECK(chunk < extents_[extent]->n_chunks);
  fb::Chunk& entry = chunks_[extents_[extent]->first_chunk + chunk];
  SLUICE_CHECK(data.size() == entry.bytes());
  entry = fb::Chunk(entry.offset(), entry.bytes(), 0, hash64(data));
  ++n_written_;
}

Status SlmWriter::write_chunk(uint32_t extent, uint32_t chunk, std::span<const std::byte> data) {
  note_written(extent, chunk, data);
  return file_.write_at(chunks_[extents_[extent]->first_chunk + chunk].offset(), data);
}

Status SlmWriter::write_chunks(uint32_t extent, uint32_t first, uint32_t n, std::span<const std::byte> data) {
  size_t at = 0;
  for (uint32_t c = first; c < first + n; ++c) {
    const size_t bytes = size_t(contents(extent, c).bytes);
    SLUICE_CHECK(at + bytes <= data.size());
    note_written(extent, c, data.subspan(at, bytes));
    at += size_t(round_up(bytes, kSlmAlignment));
  }
  SLUICE_CHECK(at == data.size());
  return file_.write_at(chunks_[extents_[extent]->first_chunk + first].offset(), data);
}

Status SlmWriter::finish(fb::HeaderT header) {
  SLUICE_CHECK(n_written_ == chunks_.size());
  for (auto& extent : extents_) {
    if (extent->access != fb::Access::GatherExpert) continue;
    std::vector<uint64_t> hashes;
    for (uint32_t c = 0; c < extent->n_chunks; ++c) hashes.push_back(chunks_[extent->first_chunk + c].hash());
    extent->hash = hash64(std::as_bytes(std::span(hashes)));
  }
  header.format_version = kSlmVersion;
  header.extents = std::move(extents_);
  header.chunks = std::move(chunks_);

  // The header contains the file's size and the file's size depends on the header's: the field has a fixed width, so
  // that a second pass with the right number has the same length.
  header.file_bytes = 1;
  Preamble p = {};
  size_t capacity = std::max<size_t>(size_t(header_estimate_), size_t{1} << 20);
  for (int pass = 0; pass < 2; ++pass) {
    flatbuffers::FlatBufferBuilder builder(capacity);
    builder.Finish(fb::Header::Pack(builder, &header), fb::HeaderIdentifier());
    const auto bytes = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
    if (bytes.size() > kMaxHeaderBytes) {
      return make_error(Code::kBadModel, file_.path(), kNoOffset, "the header would have %zu bytes, too many",
                        bytes.size());
    }
    header.file_bytes = round_up(weights_end_ + bytes.size(), kSlmAlignment);
    capacity = bytes.size() + 64;
    if (pass == 0) continue;
    p.header_bytes = bytes.size();
    p.header_hash = hash64(bytes);
    SLUICE_DO(file_.write_at(weights_end_, bytes));
  }
  memcpy(p.magic, kSlmMagic, sizeof p.magic);
  p.format_version = kSlmVersion;
  p.preamble_bytes = kPreambleBytes;
  p.header_offset = weights_end_;
  p.file_bytes = header.file_bytes;
  const auto preamble = std::as_bytes(std::span(&p, 1));
  p.preamble_hash = hash64(preamble.first(offsetof(Preamble, preamble_hash)));
  SLUICE_DO(file_.write_at(0, preamble));
  // The last byte of the padding, so that the file has its full length; everything unwritten before it reads as zero.
  const std::byte zero{0};
  if (p.header_offset + p.header_bytes < p.file_bytes) SLUICE_DO(file_.write_at(p.file_bytes - 1, std::span(&zero, 1)));
  return file_.commit();
}

}  // namespace sluice
