// SPDX-License-Identifier: Apache-2.0
// Where the embedding rows of a step's tokens are: in the strips of resident chunks, or read one by one from those that
// are not (a row-major table never is; a tied matrix not always wholly). Allocates nothing after it was made.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "backends/backend.h"
#include "runtime/weights/place.h"
#include "runtime/weights/weight_store.h"

namespace sluice {

// Room that a gatherer takes to read rows of this tensor and, when a chunk is first touched, all of it for its hash;
// beside that, for each row of a step, a strip.
uint64_t gather_buffer_bytes(const fb::Header& header, uint32_t tensor);

class RowGatherer {
 public:
  // For steps of up to max_rows. What is resident in `store` now must stay so. kNoFit, kNoMemory.
  static Result<RowGatherer> create(std::shared_ptr<const Model> model, uint32_t tensor, const WeightStore& store,
                                    std::shared_ptr<const BulkReader> reader, std::shared_ptr<ChunkChecks> checks,
                                    uint32_t max_rows, Accountant& accountant);

  bool reads() const { return buffer_.data() != nullptr; }  // from disk, at times

  // Views of the rows of `tokens` (checked: below n_vocab) into `out`, valid until the next call; the n-th row that is
  // read goes to the n-th place of the row buffer, counted from `first`, the number of rows gathered before.
  // kFailed, kBadModel when a row cannot be read or its chunk is damaged.
  Status gather(std::span<const int32_t> tokens, GatherRow* out, uint32_t first = 0);

 private:
  Status read_strip(const RowPlace& at, std::byte* to);

  std::shared_ptr<const Model> model_;
  std::shared_ptr<const BulkReader> reader_;
  TensorPlace place_;
  std::vector<const std::byte*> resident_;  // by chunk of the tensor; null: on disk
  std::vector<uint32_t> row_of_token_;      // empty: identity
  std::shared_ptr<ChunkChecks> checks_;
  Block buffer_, row_buffer_;  // row_buffer_: [max_rows] strips
};

}  // namespace sluice
