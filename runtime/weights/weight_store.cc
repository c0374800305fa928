// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/weight_store.h"

#include <algorithm>

#include "base/checked.h"
#include "runtime/weights/load_pieces.h"
#include "runtime/weights/place.h"
#include "schema/tile.h"

namespace sluice {
namespace {

// The seam has its own enums, equal to the file's in order.
static_assert(int(CodeKind::kBF16) == int(fb::CodeKind::BF16) && int(CodeKind::kInt8) == int(fb::CodeKind::Int8));
static_assert(int(ScaleKind::kE8M0) == int(fb::ScaleKind::E8M0) &&
              int(ScaleKind::kSuper8) == int(fb::ScaleKind::Super8));

WeightFormat weight_format(const FormatSpec& spec) {
  WeightFormat format;
  format.code = CodeKind(spec.code);
  format.scale = ScaleKind(spec.scale);
  format.code_bits = spec.code_bits;
  format.zero_point = spec.zero_point;
  format.group_size = spec.group_size;
  format.block_inputs = spec.block_inputs;
  format.block_bytes = spec.block_bytes;
  format.has_table = spec.has_table;
  std::copy(std::begin(spec.table), std::end(spec.table), format.table);
  return format;
}

}  // namespace

Result<WeightStore> WeightStore::create(std::shared_ptr<const Model> model, std::shared_ptr<ChunkChecks> checks,
                                        const BulkReader& reader, Accountant& accountant) {
  WeightStore store;
  store.model_ = std::move(model);
  store.checks_ = std::move(checks);
  const size_t n_chunks = store.model_->header().chunks() ? store.model_->header().chunks()->size() : 0;
  store.place_.assign(n_chunks, nullptr);
  store.resident_.assign(n_chunks, false);
  store.chunk_pointers_.assign(n_chunks, nullptr);
  store.make_formats();
  SLUICE_DO(store.load_vectors(reader, accountant));
  return store;
}

void WeightStore::make_formats() {
  for (const fb::Format* format : *model_->header().formats()) formats_.push_back(weight_format(spec_of(*format)));
}

Status WeightStore::load_vectors(const BulkReader& reader, Accountant& accountant) {
  const fb::Header& header = model_->header();
  const Residence residence = residence_of(header);
  vector_place_ = residence.vector_place;
  SLUICE_TRY(vectors_, accountant.allocate(MemoryKind::kWeights, residence.n_floats * sizeof(float)));
  SLUICE_TRY(Block buffer,
             accountant.allocate(MemoryKind::kIo, BulkReader::part_buffer_bytes(residence.largest_vector_chunk)));
  for (uint32_t t = 0; t < vector_place_.size(); ++t) {
    if (vector_place_[t] == kNotResident) continue;
    const fb::Tensor& tensor = model_->tensor(t);
    const TensorPlace place = tensor_place(header, t);
    const RowPlace at = place.row(0);
    const fb::Chunk& chunk = *header.chunks()->Get(at.chunk);
    SLUICE_TRY(const std::byte* data, reader.read_part(chunk.offset(), chunk.bytes(), buffer.as<std::byte>()));
    SLUICE_DO(checks_->check(at.chunk, {data, chunk.bytes()}));
    dequantize_row(spec_of(*header.formats()->Get(tensor.format())), tensor.cols(), place.lanes, at.lane,
                   data + at.offset, vectors_.as<float>().data() + vector_place_[t]);
  }
  return {};
}

// ---- which chunks are resident -----------------------------------------------------------------------------------

namespace {

// Calls use(chunk, offset in the region's memory, padded bytes) for all chunks that have a place there, in order.
template <class Use>
void each_chunk(const Model& model, const std::vector<Residence::Piece>& pieces, Use use) {
  for (const Residence::Piece& piece : pieces) {
    uint64_t at = piece.memory_offset;
    for (uint32_t c = piece.first_chunk; c < piece.first_chunk + piece.n_chunks; ++c) {
      const uint64_t bytes = round_up(uint64_t(model.header().chunks()->Get(c)->bytes()), kSlmAlignment);
      use(c, at, bytes);
      at += bytes;
    }
  }
}

}  // namespace

// Of the chunks for which held(chunk).
template <class Held>
std::vector<ByteRange> WeightStore::runs(const Region& region, Held held) const {
  std::vector<ByteRange> runs;
  each_chunk(*model_, region.pieces, [&](uint32_t chunk, uint64_t at, uint64_t bytes) {
    if (!held(chunk)) return;
    if (!runs.empty() && runs.back().end == at)
      runs.back().end += bytes;
    else
      runs.push_back({at, at + bytes});
  });
  return runs;
}

Status WeightStore::hold_resident(Region& region) {
  return region.memory.keep(runs(region, [&](uint32_t c) { return bool(resident_[c]); }));
}

// As pieces to read: neighbours in memory are neighbours in the file.
std::vector<Residence::Piece> WeightStore::missing(const Region& region, const std::vector<bool>& wanted) const {
  std::vector<Residence::Piece> pieces;
  for (const Residence::Piece& piece : region.pieces) {
    uint32_t last = piece.first_chunk;  // the one after the last that was put into pieces.back()
    each_chunk(*model_, {piece}, [&](uint32_t chunk, uint64_t at, uint64_t bytes) {
      if (resident_[chunk] || !wanted[chunk]) return;
      if (chunk == last && last > piece.first_chunk) {
        pieces.back().n_chunks += 1, pieces.back().bytes += bytes;
      } else {
        pieces.push_back({chunk, 1, model_->header().chunks()->Get(chunk)->offset(), at, bytes});
      }
      last = chunk + 1;
    });
  }
  return pieces;
}

// For the chunks that have no place yet.
Status WeightStore::make_region(const std::vector<bool>& wanted, Accountant& accountant) {
  std::vector<bool> homeless = wanted;
  for (size_t c = 0; c < homeless.size(); ++c) homeless[c] = homeless[c] && place_[c] == nullptr;
  Residence residence = residence_of(model_->header(), homeless);
  if (residence.pieces.empty()) return {};
  Region region;
  region.pieces = std::move(residence.pieces);
  SLUICE_TRY(region.memory, accountant.allocate(MemoryKind::kWeights, residence.weight_bytes));
  regions_.push_back(std::move(region));
  each_chunk(*model_, regions_.back().pieces,
             [&](uint32_t chunk, uint64_t at, uint64_t) { place_[chunk] = regions_.back().memory.data() + at; });
  return {};
}

Status WeightStore::drop_others(const std::vector<bool>& wanted) {
  for (size_t c = 0; c < resident_.size(); ++c) resident_[c] = resident_[c] && wanted[c];
  publish();
  for (Region& region : regions_) SLUICE_DO(hold_resident(region));
  return {};
}

Status WeightStore::add(const std::vector<bool>& wanted, const BulkReader& reader, ThreadPool& pool,
                        Accountant& accountant, const Progress& progress) {
  SLUICE_DO(make_region(wanted, accountant));
  for (Region& region : regions_) {
    const std::vector<Residence::Piece> pieces = missing(region, wanted);
    if (pieces.empty()) continue;
    SLUICE_DO(region.memory.keep(runs(region, [&](uint32_t c) { return resident_[c] || wanted[c]; })));
    Status loaded = load_pieces(*model_, reader, *checks_, pieces, region.memory.as<std::byte>(), pool, progress);
    if (loaded.ok())
      each_chunk(*model_, pieces, [&](uint32_t chunk, uint64_t, uint64_t) { resident_[chunk] = true; });
    else
      SLUICE_DO(hold_resident(region));
    SLUICE_DO(std::move(loaded));
  }
  publish();
  return {};
}

void WeightStore::publish() {
  for (uint32_t c = 0; c < resident_.size(); ++c) chunk_pointers_[c] = resident_chunk(c);
}

void WeightStore::stand_in(const std::vector<uint32_t>& sample) {
  for (uint32_t c = 0; c < sample.size(); ++c)
    if (sample[c] != Model::kAbsent) chunk_pointers_[c] = resident_chunk(sample[c]);
}

uint64_t WeightStore::bytes_of(const std::vector<bool>& wanted) const {
  uint64_t bytes = 0, homeless = 0;
  for (const Region& region : regions_)
    bytes += touched_bytes(runs(region, [&](uint32_t c) { return bool(wanted[c]); }));
  for (uint32_t c = 0; c < wanted.size(); ++c)
    if (wanted[c] && place_[c] == nullptr)
      homeless += round_up(uint64_t(model_->header().chunks()->Get(c)->bytes()), kSlmAlignment);
  return bytes + block_bytes(homeless);
}

std::span<const std::byte> WeightStore::longest_run() const {
  std::span<const std::byte> longest;
  for (const Region& region : regions_)
    for (const ByteRange& run : runs(region, [&](uint32_t c) { return bool(resident_[c]); }))
      if (run.end - run.begin > longest.size()) longest = {region.memory.data() + run.begin, run.end - run.begin};
  return longest;
}

// ---- views -------------------------------------------------------------------------------------------------------

Matrix WeightStore::matrix(uint32_t tensor) const {
  const fb::Tensor& t = model_->tensor(tensor);
  const TensorPlace place = tensor_place(model_->header(), tensor);
  Matrix m;
  m.format = format(tensor);
  m.rows = t.rows(), m.cols = t.cols();
  m.chunks = chunk_pointers_.data() + place.member.first_chunk;
  m.strips_per_chunk = place.member.strips_per_chunk;
  m.strip_stride = place.member.strip_stride;
  m.strip_offset = place.member.strip_offset;
  return m;
}

const float* WeightStore::vector(uint32_t tensor) const { return vectors_.as<float>().data() + vector_place_[tensor]; }

const WeightFormat* WeightStore::format(uint32_t tensor) const { return &formats_[model_->tensor(tensor).format()]; }

}  // namespace sluice
