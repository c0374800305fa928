// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/row_gatherer.h"

#include <cstring>

namespace sluice {

Result<RowGatherer> RowGatherer::create(std::shared_ptr<const Model> model, uint32_t tensor, const WeightStore& store,
                                        std::byte* row_buffer, Accountant& accountant) {
  const fb::Header& header = model->header();
  const fb::Tensor& t = model->tensor(tensor);
  RowGatherer gatherer;
  gatherer.place_ = tensor_place(header, tensor);
  gatherer.row_buffer_ = row_buffer;
  gatherer.resident_ = header.extents()->Get(t.extent())->access() != fb::Access::GatherRows;
  if (gatherer.resident_) {
    gatherer.matrix_ = store.matrix(tensor);
  } else {
    SLUICE_TRY(gatherer.chunk_buffer_,
               accountant.allocate(MemoryKind::kIo, residence_of(header).largest_gather_chunk));
    gatherer.chunk_checked_.assign(gatherer.place_.member.n_chunks, false);
  }
  // A tied head in an order of its own stores the embedding in that order too.
  const auto* order = header.head_row_order();
  if (order && order->size() > 0 && model->config().tied_head()) {
    gatherer.row_of_token_.resize(order->size());
    for (uint32_t row = 0; row < order->size(); ++row) gatherer.row_of_token_[order->Get(row)] = row;
  }
  gatherer.model_ = std::move(model);
  return gatherer;
}

Status RowGatherer::gather(std::span<const int32_t> tokens, GatherRow* out) {
  const uint32_t row_bytes = place_.member.strip_bytes;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const uint32_t row = row_of_token_.empty() ? uint32_t(tokens[i]) : row_of_token_[tokens[i]];
    if (resident_) {
      out[i] = {matrix_.strip(row / kStripRows), row % kStripRows, kStripRows};
      continue;
    }
    std::byte* to = row_buffer_ + i * row_bytes;
    SLUICE_DO(read_row(place_.row(row), to));
    out[i] = {to, 0, 1};
  }
  return {};
}

Status RowGatherer::read_row(const RowPlace& at, std::byte* to) {
  const fb::Chunk& chunk = *model_->header().chunks()->Get(at.chunk);
  const uint32_t nth = at.chunk - place_.member.first_chunk, row_bytes = place_.member.strip_bytes;
  if (chunk_checked_[nth])
    return model_->source().read_at(chunk.offset() + at.offset, {to, row_bytes});
  const std::span<std::byte> data = chunk_buffer_.as<std::byte>().first(chunk.bytes());
  SLUICE_DO(model_->source().read_at(chunk.offset(), data));
  SLUICE_DO(check_chunk(*model_, at.chunk, data));
  chunk_checked_[nth] = true;
  std::memcpy(to, data.data() + at.offset, row_bytes);
  return {};
}

}  // namespace sluice
