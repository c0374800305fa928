// SPDX-License-Identifier: Apache-2.0
// The list of phases of a model, built once: gather; per layer qkv, attend, project, gate_up, down; head. A step
// changes only which rows there are (StepRows, gathered rows, rope rows, rows with logits).
#pragma once
#include <span>
#include <vector>

#include "backends/backend.h"
#include "runtime/engine/buffers.h"
#include "runtime/model/tensors.h"
#include "runtime/weights/weight_store.h"

namespace sluice {

class Program {
 public:
  Program() = default;
  // `rows` must stay where it is; everything else is copied or outlives the program by contract of the engine.
  Program(const Model& model, const ModelTensors& tensors, const WeightStore& store, const Buffers& buffers,
          float* logits, const StepRows* rows);

  GatherPhase& gather() { return std::get<GatherPhase>(phases_.front().args); }
  HeadPhase& head() { return std::get<HeadPhase>(phases_.back().args); }

  // Where phases may sum the squares of what their matrices are multiplied with: the columns of each place, in the
  // order of the phases (per layer QKV, output, gate and up, down; then the head), and the sums, one place after the
  // other.
  std::vector<uint32_t> input_widths();
  void sum_inputs(double* sums);

  std::span<const Phase> body() const { return std::span(phases_).first(phases_.size() - 1); }
  std::span<const Phase> head_only() const { return std::span(phases_).last(1); }

 private:
  std::vector<Phase> phases_;
};

}  // namespace sluice
