// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/row_gatherer.h"

#include <algorithm>
#include <cstring>

namespace sluice {

uint64_t gather_buffer_bytes(const fb::Header& header, uint32_t tensor) {
  const MemberPlace place = tensor_place(header, tensor).member;
  uint64_t most = place.strip_bytes;
  for (uint32_t c = place.first_chunk; c < place.first_chunk + place.n_chunks; ++c)
    most = std::max<uint64_t>(most, header.chunks()->Get(c)->bytes());
  return BulkReader::part_buffer_bytes(most);
}

Result<RowGatherer> RowGatherer::create(std::shared_ptr<const Model> model, uint32_t tensor, const WeightStore& store,
                                        std::shared_ptr<const BulkReader> reader, std::shared_ptr<ChunkChecks> checks,
                                        uint32_t max_rows, Accountant& accountant) {
  const fb::Header& header = model->header();
  RowGatherer gatherer;
  gatherer.place_ = tensor_place(header, tensor);
  const MemberPlace& at = gatherer.place_.member;
  for (uint32_t c = 0; c < at.n_chunks; ++c) gatherer.resident_.push_back(store.resident_chunk(at.first_chunk + c));
  if (std::count(gatherer.resident_.begin(), gatherer.resident_.end(), nullptr) > 0) {
    SLUICE_TRY(gatherer.buffer_, accountant.allocate(MemoryKind::kIo, gather_buffer_bytes(header, tensor)));
    SLUICE_TRY(gatherer.row_buffer_, accountant.allocate(MemoryKind::kIo, uint64_t(max_rows) * at.strip_bytes));
  }
  // A tied head in an order of its own stores the embedding in that order too.
  const auto* order = header.head_row_order();
  if (order && order->size() > 0 && model->config().tied_head()) {
    gatherer.row_of_token_.resize(order->size());
    for (uint32_t row = 0; row < order->size(); ++row) gatherer.row_of_token_[order->Get(row)] = row;
  }
  gatherer.model_ = std::move(model);
  gatherer.reader_ = std::move(reader);
  gatherer.checks_ = std::move(checks);
  return gatherer;
}

Status RowGatherer::gather(std::span<const int32_t> tokens, GatherRow* out, uint32_t first) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    const uint32_t row = row_of_token_.empty() ? uint32_t(tokens[i]) : row_of_token_[tokens[i]];
    const RowPlace at = place_.row(row);
    if (const std::byte* chunk = resident_[at.chunk - place_.member.first_chunk]) {
      out[i] = {chunk + at.offset, at.lane, place_.lanes};
      continue;
    }
    std::byte* to = row_buffer_.data() + (first + i) * place_.member.strip_bytes;
    SLUICE_DO(read_strip(at, to));
    out[i] = {to, at.lane, place_.lanes};
  }
  return {};
}

Status RowGatherer::read_strip(const RowPlace& at, std::byte* to) {
  const fb::Chunk& chunk = *model_->header().chunks()->Get(at.chunk);
  const uint32_t strip_bytes = place_.member.strip_bytes;
  const std::byte* strip = nullptr;
  if (checks_->known(at.chunk)) {
    SLUICE_TRY(strip, reader_->read_part(chunk.offset() + at.offset, strip_bytes, buffer_.as<std::byte>()));
  } else {
    SLUICE_TRY(const std::byte* data, reader_->read_part(chunk.offset(), chunk.bytes(), buffer_.as<std::byte>()));
    SLUICE_DO(checks_->check(at.chunk, {data, chunk.bytes()}));
    strip = data + at.offset;
  }
  std::memcpy(to, strip, strip_bytes);
  return {};
}

}  // namespace sluice
