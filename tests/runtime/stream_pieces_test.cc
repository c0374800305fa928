// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/stream_pieces.h"

#include <map>

#include "base/checked.h"
#include "runtime/weights/place.h"
#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

// For each phase: the chunk of every strip (Qkv: of every row) of its matrices, and the unit it belongs to.
std::map<uint32_t, std::map<uint32_t, std::pair<uint32_t, uint32_t>>> obvious_uses(const Model& model,
                                                                                   const ModelTensors& tensors) {
  std::map<uint32_t, std::map<uint32_t, std::pair<uint32_t, uint32_t>>> uses;  // phase → chunk → [first, last] unit
  const auto add = [&](uint32_t phase, uint32_t tensor, auto unit_of_row) {
    const TensorPlace place = tensor_place(model.header(), tensor);
    for (uint32_t row = 0; row < model.tensor(tensor).rows(); ++row) {
      const uint32_t chunk = place.row(row).chunk, unit = unit_of_row(row);
      auto [at, fresh] = uses[phase].try_emplace(chunk, unit, unit);
      at->second.first = std::min(at->second.first, unit), at->second.second = std::max(at->second.second, unit);
    }
  };
  const auto strip = [](uint32_t row) { return row / 16; };
  for (uint32_t l = 0; l < tensors.layers.size(); ++l) {
    const LayerTensors& t = tensors.layers[l];
    const uint32_t groups = model.config().layers()->Get(l)->n_kv_heads();
    for (uint32_t tensor : {t.q, t.k, t.v})
      add(1 + 5 * l, tensor, [&](uint32_t row) { return row / (model.tensor(tensor).rows() / groups); });
    add(1 + 5 * l + 2, t.attn_output, strip);
    for (uint32_t tensor : {t.gate, t.up}) add(1 + 5 * l + 3, tensor, [](uint32_t row) { return row / 32 * 2; });
    add(1 + 5 * l + 4, t.down, strip);
  }
  add(1 + 5 * uint32_t(tensors.layers.size()), tensors.head, strip);
  return uses;
}

}  // namespace

TEST_CASE("pieces cover every chunk of every phase once, in order, and know the units that need them",
          "[runtime][stream]") {
  std::vector<ToyOptions> toys(3);
  toys[0].d_model = 1024, toys[0].n_heads = 8, toys[0].n_kv_heads = 4, toys[0].d_ff = 1536, toys[0].n_vocab = 1600;
  toys[1].architecture = "gemma3", toys[1].n_kv_heads = 1;
  toys[2].architecture = "qwen2", toys[2].tied = false;
  for (const ToyOptions& options : toys) {
    CAPTURE(options.architecture);
    TemporaryFolder folder;
    const auto model = *Model::open(*FileSource::open(make_toy(folder, options)));
    const ModelTensors tensors = *find_tensors(*model);
    const auto expected = obvious_uses(*model, tensors);
    for (uint64_t limit : {uint64_t{1}, uint64_t{1} << 20, uint64_t{2} << 20}) {
      CAPTURE(limit);
      const std::vector<StreamPiece> pieces = stream_pieces(*model, tensors, limit);
      std::map<uint32_t, std::map<uint32_t, uint32_t>> seen;  // phase → chunk → times
      for (size_t i = 0; i < pieces.size(); ++i) {
        const StreamPiece& piece = pieces[i];
        CHECK((i == 0 || pieces[i - 1].phase <= piece.phase));
        CHECK((piece.bytes <= limit || piece.n_chunks == 1));
        uint64_t at = piece.file_offset;
        uint32_t first = ~0u, last = 0;
        for (uint32_t c = piece.first_chunk; c < piece.first_chunk + piece.n_chunks; ++c) {
          CHECK(model->header().chunks()->Get(c)->offset() == at);
          at += round_up(uint64_t(model->header().chunks()->Get(c)->bytes()), kSlmAlignment);
          ++seen[piece.phase][c];
          const auto& units = expected.at(piece.phase).at(c);
          first = std::min(first, units.first), last = std::max(last, units.second);
        }
        CHECK(at == piece.file_offset + piece.bytes);
        CHECK(piece.first_unit == first);
        CHECK(piece.end_unit > last);
      }
      size_t n_chunks = 0, n_expected = 0;
      for (const auto& [phase, chunks] : seen)
        for (const auto& [chunk, times] : chunks) {
          CHECK(times == 1);
          ++n_chunks;
        }
      for (const auto& [phase, chunks] : expected) n_expected += chunks.size();
      CHECK(n_chunks == n_expected);
    }
  }
}

TEST_CASE("units are ready when no later piece is needed for them", "[runtime][stream]") {
  const auto piece = [](uint32_t phase, uint32_t first, uint32_t end) {
    return StreamPiece{phase, 0, 1, 0, 4096, first, end};
  };
  // A phase in order, one whose pieces overlap, one whose second piece is needed from the start.
  const std::vector<StreamPiece> pieces = {piece(3, 0, 10), piece(3, 10, 20), piece(5, 4, 8),
                                           piece(5, 6, 12), piece(7, 2, 9),   piece(7, 0, 9)};
  CHECK(units_ready_after(pieces) == std::vector<uint32_t>{10, ~0u, 6, ~0u, 0, ~0u});
  CHECK(slots_needed(std::span(pieces).first(2)) == 2);
  const std::vector<StreamPiece> wide = {piece(1, 0, 4), piece(1, 0, 4), piece(1, 0, 4), piece(1, 2, 4)};
  CHECK(slots_needed(wide) == 4);
}

}  // namespace sluice::test
