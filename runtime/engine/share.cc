// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/share.h"

#include "base/check.h"
#include "runtime/weights/residence.h"

namespace sluice {

Share share_of(const Model& model, const ModelTensors& tensors, const WindowPlan& window) {
  Share share;
  if (window.n_slots == 0) {
    for (uint64_t place : residence_of(model.header()).chunk_place) share.resident.push_back(place != kNotResident);
    return share;
  }
  share.resident.assign(model.header().chunks()->size(), false);
  const std::vector<StreamPiece> pieces = stream_pieces(model, tensors, window.limit_bytes);
  SLUICE_CHECK(pieces.size() == window.pinned.size());
  const uint32_t head = head_phase_number(uint32_t(tensors.layers.size()));
  for (size_t i = 0; i < pieces.size(); ++i) {
    const StreamPiece& piece = pieces[i];
    if (!window.pinned[i]) {
      share.streamed.push_back(piece);
      share.n_body += piece.phase < head;
      continue;
    }
    for (uint32_t c = piece.first_chunk; c < piece.first_chunk + piece.n_chunks; ++c) share.resident[c] = true;
  }
  return share;
}

Share share_of_sample(const std::vector<uint32_t>& sample) {
  Share share;
  for (uint32_t c = 0; c < sample.size(); ++c) share.resident.push_back(sample[c] == c);
  return share;
}

}  // namespace sluice
