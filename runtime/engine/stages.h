// SPDX-License-Identifier: Apache-2.0
// Runs a phase whose weights are not all resident, in stages: ranges of its units for which everything has come through
// the window. docs/NUMERICS.md makes ranges free: bits do not depend on how a phase was cut.
#pragma once
#include <vector>

#include "backends/backend.h"
#include "runtime/weights/weight_stream.h"

namespace sluice {

class Stages {
 public:
  Stages(WeightStream& stream, Backend& backend, uint32_t n_phases);

  // Phases are numbered as in stream_pieces.h.
  bool streamed(uint32_t phase) const { return first_piece_[phase] < first_piece_[phase + 1]; }
  // Allocates nothing.
  Status run(const Phase& phase, uint32_t number);

 private:
  Status run_units(uint32_t begin, uint32_t end);

  WeightStream& stream_;
  Backend& backend_;
  std::vector<uint32_t> first_piece_;     // by phase, and one more
  std::vector<uint32_t> ready_after_;     // by piece: units_ready_after
  std::vector<uint32_t> resident_units_;  // by phase: the first units, which need no streamed piece
  Phase ranged_;                          // the phase that is being run, with the range of the stage
};

}  // namespace sluice
