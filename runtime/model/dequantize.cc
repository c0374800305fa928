// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/dequantize.h"

#include <algorithm>

#include "runtime/model/verify.h"
#include "runtime/weights/place.h"
#include "runtime/weights/residence.h"
#include "schema/tile.h"

namespace sluice {
namespace {

// Where row (or element) i of the source lies in this file.
struct SourceOrder {
  bool moved = false;
  uint32_t head_dim = 0, half = 0;

  uint32_t place_of(uint32_t i) const {
    const uint32_t inside = i % head_dim, head = i - inside;
    if (!moved || inside >= 2 * half) return i;
    return head + inside / 2 + (inside % 2) * half;
  }
};

SourceOrder source_order(const Model& model, const fb::Tensor& tensor) {
  SourceOrder order;
  order.head_dim = 1;
  if (tensor.row_order() != fb::RowOrder::RopePairs || tensor.layer() < 0) return order;
  const fb::Layer& layer = *model.config().layers()->Get(tensor.layer());
  order.moved = true;
  order.head_dim = layer.head_dim();
  order.half = model.config().ropes()->Get(layer.rope())->inv_freq()->size();
  return order;
}

// The chunk read last, checked.
class ChunkReader {
 public:
  explicit ChunkReader(const Model& model) : model_(model) {}

  Result<const std::byte*> chunk(uint32_t index) {
    if (index == held_) return static_cast<const std::byte*>(buffer_.data());
    const fb::Chunk& chunk = *model_.header().chunks()->Get(index);
    SLUICE_TRY(buffer_, memory_.allocate(MemoryKind::kIo, std::max<uint64_t>(chunk.bytes(), 1)));
    held_ = index;
    const std::span<std::byte> data = buffer_.as<std::byte>().first(chunk.bytes());
    SLUICE_DO(model_.source().read_at(chunk.offset(), data));
    SLUICE_DO(check_chunk(model_, index, data));
    return static_cast<const std::byte*>(data.data());
  }

 private:
  const Model& model_;
  Accountant memory_{0};
  Block buffer_;
  uint32_t held_ = Model::kAbsent;
};

}  // namespace

Status read_weights(const Model& model, uint32_t index, uint32_t first_row, uint32_t n_rows, std::span<float> out) {
  const fb::Tensor& tensor = model.tensor(index);
  if (first_row > tensor.rows() || n_rows > tensor.rows() - first_row)
    return make_error(Code::kUsage, tensor.source_name() ? tensor.source_name()->str() : "", kNoOffset,
                      "rows %u to %llu do not exist, the tensor has %u", first_row,
                      (unsigned long long)(first_row) + n_rows, tensor.rows());
  const FormatSpec spec = spec_of(*model.header().formats()->Get(tensor.format()));
  const TensorPlace place = tensor_place(model.header(), index);
  const SourceOrder order = source_order(model, tensor);
  const bool vector = is_vector(tensor.role());
  ChunkReader reader(model);
  std::vector<float> moved(vector && order.moved ? tensor.cols() : 0);
  for (uint32_t i = 0; i < n_rows; ++i) {
    const uint32_t row = vector ? first_row + i : order.place_of(first_row + i);
    const RowPlace at = place.row(row);
    SLUICE_TRY(const std::byte* chunk, reader.chunk(at.chunk));
    float* to = out.data() + size_t(i) * tensor.cols();
    dequantize_row(spec, tensor.cols(), place.lanes, at.lane, chunk + at.offset, to);
    if (moved.empty()) continue;
    std::copy(to, to + tensor.cols(), moved.begin());
    for (uint32_t k = 0; k < tensor.cols(); ++k) to[k] = moved[order.place_of(k)];
  }
  return {};
}

}  // namespace sluice
