// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/shape.h"

#include <algorithm>

#include "runtime/weights/place.h"
#include "runtime/weights/residence.h"
#include "runtime/weights/row_gatherer.h"
#include "runtime/weights/stream_pieces.h"

namespace sluice {
namespace {

uint64_t vocabulary_bytes(const fb::Vocab& vocab) {
  const auto bytes = [](const auto* vector) {
    return vector ? uint64_t(vector->size()) * sizeof(*vector->begin()) : uint64_t{0};
  };
  return bytes(vocab.bytes()) + bytes(vocab.offsets()) + bytes(vocab.types()) + bytes(vocab.scores()) +
         bytes(vocab.text_order()) + bytes(vocab.text_buckets()) + bytes(vocab.merge_left()) +
         bytes(vocab.merge_right()) + bytes(vocab.merge_rank()) + bytes(vocab.merge_result()) + bytes(vocab.special());
}

uint64_t stored_bytes(const fb::Header& header, uint32_t tensor) {
  const MemberPlace place = tensor_place(header, tensor).member;
  return uint64_t(place.n_strips) * place.strip_bytes;
}

WindowShape window_shape(const Model& model, const ModelTensors& tensors, uint64_t limit) {
  const std::vector<StreamPiece> pieces = stream_pieces(model, tensors, limit);
  const uint32_t head = head_phase_number(uint32_t(tensors.layers.size()));
  WindowShape window;
  window.limit_bytes = limit;
  window.min_slots = slots_needed(pieces);
  for (const StreamPiece& piece : pieces) {
    const uint32_t in_layer = (piece.phase - 1) % uint32_t(LayerPhase::kCount);
    const bool attention = piece.phase != head && in_layer <= uint32_t(LayerPhase::kProject);
    window.pieces.push_back({piece.bytes, piece.phase, attention});
    window.slot_bytes = std::max(window.slot_bytes, piece.bytes);
  }
  return window;
}

}  // namespace

ModelShape shape_of(const Model& model, const ModelTensors& tensors) {
  const fb::Header& header = model.header();
  const fb::Config& config = model.config();
  const Residence residence = residence_of(header);
  ModelShape shape;
  shape.d_model = config.d_model(), shape.n_vocab = config.n_vocab(), shape.n_ctx = config.n_ctx();
  for (const fb::Layer* layer : *config.layers())
    shape.layers.push_back({layer->n_heads(), layer->n_kv_heads(), layer->head_dim(), layer->d_ff(), layer->window()});
  for (const fb::Rope* rope : *config.ropes()) shape.rope_halves.push_back(rope->inv_freq()->size());
  shape.has_post_norms = tensors.has_post_norms;

  shape.weight_bytes = residence.weight_bytes;
  shape.vector_bytes = residence.n_floats * sizeof(float);
  const auto count = [&](uint32_t tensor) { shape.weight_bytes_per_token += stored_bytes(header, tensor); };
  for (const LayerTensors& t : tensors.layers)
    for (uint32_t tensor : {t.q, t.k, t.v, t.attn_output, t.gate, t.up, t.down}) count(tensor);
  count(tensors.head);

  const fb::Extent& embedding = *header.extents()->Get(model.tensor(tensors.embedding).extent());
  shape.gathers_always = embedding.access() == fb::Access::GatherRows;
  shape.gather_row_bytes = embedding.strip_bytes()->Get(model.tensor(tensors.embedding).member());
  shape.gather_buffer_bytes = gather_buffer_bytes(header, tensors.embedding);
  for (uint64_t limit : {Residence::kReadBytes, Residence::kReadBytes / 2, uint64_t{1}})
    shape.windows.push_back(window_shape(model, tensors, limit));
  shape.window_table_bytes = 2 * sizeof(StreamPiece) + sizeof(Residence::Piece) + 2 * sizeof(uint32_t);
  shape.tokenizer_bytes = vocabulary_bytes(*header.vocab());
  shape.header_bytes = model.header_bytes() - std::min(model.header_bytes(), shape.tokenizer_bytes);
  shape.table_bytes = residence.chunk_place.size() * 2 * sizeof(uint64_t) +
                      residence.pieces.size() * sizeof(Residence::Piece) +
                      residence.vector_place.size() * sizeof(uint64_t);
  return shape;
}

}  // namespace sluice
