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

Result<WeightStore> WeightStore::load(std::shared_ptr<const Model> model, Residence residence, const BulkReader& reader,
                                      ThreadPool& pool, Accountant& accountant, const Progress& progress) {
  WeightStore store;
  store.model_ = std::move(model);
  store.residence_ = std::move(residence);
  SLUICE_TRY(store.weights_, accountant.allocate(MemoryKind::kWeights, store.residence_.weight_bytes));
  store.make_formats();
  store.make_chunk_pointers();
  SLUICE_DO(store.load_vectors(reader, accountant));
  SLUICE_DO(load_pieces(*store.model_, reader, store.residence_, store.weights_.as<std::byte>(), pool, progress));
  return store;
}

void WeightStore::make_formats() {
  for (const fb::Format* format : *model_->header().formats()) formats_.push_back(weight_format(spec_of(*format)));
}

void WeightStore::make_chunk_pointers() {
  for (uint32_t c = 0; c < residence_.chunk_place.size(); ++c) chunk_pointers_.push_back(resident_chunk(c));
}

Status WeightStore::load_vectors(const BulkReader& reader, Accountant& accountant) {
  SLUICE_TRY(vectors_, accountant.allocate(MemoryKind::kWeights, residence_.n_floats * sizeof(float)));
  SLUICE_TRY(Block buffer,
             accountant.allocate(MemoryKind::kIo, BulkReader::part_buffer_bytes(residence_.largest_vector_chunk)));
  const fb::Header& header = model_->header();
  for (uint32_t t = 0; t < residence_.vector_place.size(); ++t) {
    if (residence_.vector_place[t] == kNotResident) continue;
    const fb::Tensor& tensor = model_->tensor(t);
    const TensorPlace place = tensor_place(header, t);
    const RowPlace at = place.row(0);
    const fb::Chunk& chunk = *header.chunks()->Get(at.chunk);
    SLUICE_TRY(const std::byte* data, reader.read_part(chunk.offset(), chunk.bytes(), buffer.as<std::byte>()));
    SLUICE_DO(check_chunk(*model_, at.chunk, {data, chunk.bytes()}));
    dequantize_row(spec_of(*header.formats()->Get(tensor.format())), tensor.cols(), place.lanes, at.lane,
                   data + at.offset, vectors_.as<float>().data() + residence_.vector_place[t]);
  }
  return {};
}

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

const float* WeightStore::vector(uint32_t tensor) const {
  return vectors_.as<float>().data() + residence_.vector_place[tensor];
}

const WeightFormat* WeightStore::format(uint32_t tensor) const { return &formats_[model_->tensor(tensor).format()]; }

}  // namespace sluice
