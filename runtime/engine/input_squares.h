// SPDX-License-Identifier: Apache-2.0
// Sums of squares of what every matrix of a model is multiplied with, column by column: what a quantizer wants to know.
// Made beside an engine and filled by its phases; the engine's steps allocate nothing for it.
#pragma once
#include <span>
#include <vector>

#include "runtime/engine/program.h"

namespace sluice {

class InputSquares {
 public:
  InputSquares() = default;
  // Zeros, and `program` adds to them from now on. The memory is the accountant's.
  static Result<InputSquares> create(Program& program, const ModelTensors& tensors, Accountant& accountant);

  static uint64_t bytes(Program& program);

  bool active() const { return !offsets_.empty(); }
  void count_rows(uint64_t n) { rows_ += n; }
  void count_head_rows(uint64_t n) { head_rows_ += n; }

  // Of one matrix; empty for tensors that nothing is multiplied with.
  std::span<const double> sums(uint32_t tensor) const;
  uint64_t rows(uint32_t tensor) const { return tensor == head_ ? head_rows_ : rows_; }

 private:
  const ModelTensors* tensors_ = nullptr;
  uint32_t head_ = 0;
  Block block_;
  std::vector<size_t> offsets_;  // of each place, and the end
  uint64_t rows_ = 0, head_rows_ = 0;
};

}  // namespace sluice
