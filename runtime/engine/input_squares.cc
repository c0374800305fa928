// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/input_squares.h"

#include <algorithm>

namespace sluice {

namespace {
constexpr size_t kPlacesOfALayer = 4;  // QKV, output, gate and up, down
}

uint64_t InputSquares::bytes(Program& program) {
  uint64_t total = 0;
  for (uint32_t width : program.input_widths()) total += width;
  return total * sizeof(double);
}

Result<InputSquares> InputSquares::create(Program& program, const ModelTensors& tensors, Accountant& accountant) {
  InputSquares squares;
  size_t total = 0;
  for (uint32_t width : program.input_widths()) {
    squares.offsets_.push_back(total);
    total += width;
  }
  squares.offsets_.push_back(total);
  SLUICE_TRY(squares.block_, accountant.allocate(MemoryKind::kOther, total * sizeof(double)));
  const std::span<double> sums = squares.block_.as<double>();
  std::fill(sums.begin(), sums.end(), 0.0);
  program.sum_inputs(sums.data());
  squares.tensors_ = &tensors;
  squares.head_ = tensors.head;
  return squares;
}

std::span<const double> InputSquares::sums(uint32_t tensor) const {
  const auto place = [&](size_t p) {
    return std::span<const double>(block_.as<double>()).subspan(offsets_[p], offsets_[p + 1] - offsets_[p]);
  };
  for (size_t l = 0; l < tensors_->layers.size(); ++l) {
    const LayerTensors& t = tensors_->layers[l];
    const size_t first = l * kPlacesOfALayer;
    if (tensor == t.q || tensor == t.k || tensor == t.v) return place(first);
    if (tensor == t.attn_output) return place(first + 1);
    if (tensor == t.gate || tensor == t.up) return place(first + 2);
    if (tensor == t.down) return place(first + 3);
  }
  if (tensor == tensors_->head) return place(tensors_->layers.size() * kPlacesOfALayer);
  return {};
}

}  // namespace sluice
