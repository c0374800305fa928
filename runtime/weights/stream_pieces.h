// SPDX-License-Identifier: Apache-2.0
// How the matrices of a model are cut into pieces, the units of pinning and streaming, in the order in which a step
// needs them: pure arithmetic on the header, shared by the plan (how many bytes) and the engine (which bytes).
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/model/tensors.h"

namespace sluice {

// Phases of a step as the engine numbers them: gather is 0, then these of each layer, then the head.
enum class LayerPhase : uint32_t { kQkv, kAttend, kProject, kGateUp, kDown, kCount };
constexpr uint32_t phase_number(uint32_t layer, LayerPhase phase) {
  return 1 + layer * uint32_t(LayerPhase::kCount) + uint32_t(phase);
}
constexpr uint32_t head_phase_number(uint32_t n_layers) { return phase_number(n_layers, LayerPhase::kQkv); }

// A run of chunks that lie one behind the other in the file, needed by one phase.
struct StreamPiece {
  uint32_t phase = 0;
  uint32_t first_chunk = 0, n_chunks = 0;
  uint64_t file_offset = 0, bytes = 0;    // with the chunks' padding: whole pages
  uint32_t first_unit = 0, end_unit = 0;  // output units of the phase (backend.h, UnitRange) that need it
};

// All matrices that are computed with. Pieces have at most `limit_bytes` unless they are a single chunk.
std::vector<StreamPiece> stream_pieces(const Model& model, const ModelTensors& tensors, uint64_t limit_bytes);

// For each piece: how many units of its phase, from the first on, can be computed once it and all before it are there
// (~0: all of them). `pieces` in the order of stream_pieces, any of them left out.
std::vector<uint32_t> units_ready_after(std::span<const StreamPiece> pieces);

// Slots that a window must have so that every phase can be computed from it, at least two.
uint32_t slots_needed(std::span<const StreamPiece> pieces);

}  // namespace sluice
