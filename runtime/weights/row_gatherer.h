// SPDX-License-Identifier: Apache-2.0
// Where the embedding rows of a step's tokens are: in the strips of a resident matrix, or read one by one from a
// row-major table on disk that is never resident. Allocates nothing after it was made.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include "backends/backend.h"
#include "runtime/weights/place.h"
#include "runtime/weights/weight_store.h"

namespace sluice {

class RowGatherer {
 public:
  // `row_buffer`: room for max_rows rows of a row-major table (unused for resident ones). kNoFit, kNoMemory.
  static Result<RowGatherer> create(std::shared_ptr<const Model> model, uint32_t tensor, const WeightStore& store,
                                    std::byte* row_buffer, Accountant& accountant);

  // Views of the rows of `tokens` (checked: below n_vocab) into `out`, valid until the next call.
  // kFailed, kBadModel when a row cannot be read or its chunk is damaged.
  Status gather(std::span<const int32_t> tokens, GatherRow* out);

 private:
  Status read_row(const RowPlace& at, std::byte* to);

  std::shared_ptr<const Model> model_;
  TensorPlace place_;
  bool resident_ = true;
  Matrix matrix_;
  std::vector<uint32_t> row_of_token_;  // empty: identity
  std::byte* row_buffer_ = nullptr;
  Block chunk_buffer_;                // to check the hash of a chunk when it is first touched
  std::vector<bool> chunk_checked_;  // counted from the table's first chunk
};

}  // namespace sluice
