// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/stream_pieces.h"

#include <algorithm>
#include <utility>

#include "base/checked.h"
#include "runtime/weights/place.h"

namespace sluice {
namespace {

struct ChunkUse {
  uint32_t chunk, first_unit, end_unit;
};

uint64_t padded_bytes(const Model& model, uint32_t chunk) {
  return round_up(uint64_t(model.header().chunks()->Get(chunk)->bytes()), kSlmAlignment);
}

// Calls use(chunk, first_row, end_row) for the chunks of a matrix.
template <class Use>
void each_chunk(const Model& model, uint32_t tensor, Use use) {
  const TensorPlace place = tensor_place(model.header(), tensor);
  const uint32_t rows = model.tensor(tensor).rows(), rows_per_chunk = place.member.strips_per_chunk * kTileRows;
  for (uint32_t c = 0; c < place.member.n_chunks; ++c)
    use(place.member.first_chunk + c, c * rows_per_chunk,
        uint32_t(std::min<uint64_t>(uint64_t(c + 1) * rows_per_chunk, rows)));
}

// The two matrices of an interleaved extent use the same chunks.
void merge_uses(std::vector<ChunkUse>& uses) {
  std::sort(uses.begin(), uses.end(), [](const ChunkUse& a, const ChunkUse& b) { return a.chunk < b.chunk; });
  size_t n = 0;
  for (const ChunkUse& use : uses) {
    if (n > 0 && uses[n - 1].chunk == use.chunk) {
      uses[n - 1].first_unit = std::min(uses[n - 1].first_unit, use.first_unit);
      uses[n - 1].end_unit = std::max(uses[n - 1].end_unit, use.end_unit);
    } else {
      uses[n++] = use;
    }
  }
  uses.resize(n);
}

class Cutter {
 public:
  Cutter(const Model& model, uint64_t limit) : model_(model), limit_(limit) {}

  // The phase whose chunks uses_ holds. One that fits a piece is read in file order; a larger one in the order of its
  // units, so that computing can begin before the last piece is there.
  void cut(uint32_t phase) {
    merge_uses(uses_);
    uint64_t total = 0;
    for (const ChunkUse& use : uses_) total += padded_bytes(model_, use.chunk);
    if (total > limit_)
      std::sort(uses_.begin(), uses_.end(), [](const ChunkUse& a, const ChunkUse& b) {
        return std::pair(a.first_unit, a.chunk) < std::pair(b.first_unit, b.chunk);
      });
    for (size_t begin = 0; begin < uses_.size();) {
      size_t end = begin + 1;
      uint64_t bytes = padded_bytes(model_, uses_[begin].chunk);
      for (; end < uses_.size() && follows(uses_[end - 1].chunk, uses_[end].chunk); ++end)
        bytes += padded_bytes(model_, uses_[end].chunk);
      cut_run(phase, begin, end, bytes);
      begin = end;
    }
    uses_.clear();
  }

  std::vector<ChunkUse> uses_;
  std::vector<StreamPiece> pieces_;

 private:
  bool follows(uint32_t a, uint32_t b) const {
    const auto* chunks = model_.header().chunks();
    return b == a + 1 && chunks->Get(b)->offset() == chunks->Get(a)->offset() + padded_bytes(model_, a);
  }

  // Pieces of about the same size: a short one at the end would cost a whole read.
  void cut_run(uint32_t phase, size_t begin, size_t end, uint64_t run_bytes) {
    const uint64_t n = (run_bytes + limit_ - 1) / limit_, target = (run_bytes + n - 1) / n;
    for (size_t i = begin; i < end;) {
      const uint32_t chunk = uses_[i].chunk;
      StreamPiece piece{
          phase, chunk, 0, model_.header().chunks()->Get(chunk)->offset(), 0, uses_[i].first_unit, uses_[i].end_unit};
      do {
        piece.first_unit = std::min(piece.first_unit, uses_[i].first_unit);
        piece.end_unit = std::max(piece.end_unit, uses_[i].end_unit);
        piece.n_chunks += 1, piece.bytes += padded_bytes(model_, uses_[i].chunk);
        ++i;
      } while (i < end && piece.bytes < target && piece.bytes + padded_bytes(model_, uses_[i].chunk) <= limit_);
      pieces_.push_back(piece);
    }
  }

  const Model& model_;
  uint64_t limit_;
};

}  // namespace

std::vector<StreamPiece> stream_pieces(const Model& model, const ModelTensors& tensors, uint64_t limit_bytes) {
  Cutter cutter(model, limit_bytes);
  // Units are strips; GateUp: strips too, but in pairs.
  const auto strips = [&](uint32_t tensor, uint32_t per_unit) {
    each_chunk(model, tensor, [&](uint32_t chunk, uint32_t begin, uint32_t end) {
      cutter.uses_.push_back({chunk, uint32_t(begin / kTileRows / per_unit * per_unit),
                              uint32_t(round_up((end + kTileRows - 1) / kTileRows, per_unit))});
    });
  };
  for (uint32_t l = 0; l < tensors.layers.size(); ++l) {
    const LayerTensors& t = tensors.layers[l];
    const uint32_t n_groups = model.config().layers()->Get(l)->n_kv_heads();
    for (uint32_t tensor : {t.q, t.k, t.v}) {
      const uint32_t per_group = model.tensor(tensor).rows() / n_groups;
      each_chunk(model, tensor, [&](uint32_t chunk, uint32_t begin, uint32_t end) {
        cutter.uses_.push_back({chunk, begin / per_group, (end - 1) / per_group + 1});
      });
    }
    cutter.cut(phase_number(l, LayerPhase::kQkv));
    strips(t.attn_output, 1);
    cutter.cut(phase_number(l, LayerPhase::kProject));
    strips(t.gate, 2), strips(t.up, 2);
    cutter.cut(phase_number(l, LayerPhase::kGateUp));
    strips(t.down, 1);
    cutter.cut(phase_number(l, LayerPhase::kDown));
  }
  strips(tensors.head, 1);
  cutter.cut(head_phase_number(uint32_t(tensors.layers.size())));
  return std::move(cutter.pieces_);
}

std::vector<uint32_t> units_ready_after(std::span<const StreamPiece> pieces) {
  std::vector<uint32_t> ready(pieces.size(), ~uint32_t{0});
  for (size_t i = pieces.size(); i-- > 1;)
    if (pieces[i - 1].phase == pieces[i].phase) ready[i - 1] = std::min(ready[i], pieces[i].first_unit);
  return ready;
}

uint32_t slots_needed(std::span<const StreamPiece> pieces) {
  const std::vector<uint32_t> ready = units_ready_after(pieces);
  size_t most = 2;
  for (size_t i = 0, held = 0; i < pieces.size(); ++i) {  // pieces held … i are in the window when i has come
    most = std::max(most, i - held + 1);
    while (held <= i && pieces[held].end_unit <= ready[i]) ++held;
  }
  return uint32_t(most);
}

}  // namespace sluice
