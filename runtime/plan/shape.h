// SPDX-License-Identifier: Apache-2.0
// What a plan needs to know of a model, as plain numbers: no file, no tensor, so that a plan can be computed for models
// that do not exist.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/kv/kv_cache.h"

namespace sluice {

struct LayerShape {
  uint32_t n_heads = 0, n_kv_heads = 0, head_dim = 0, d_ff = 0;
  uint32_t window = 0;  // positions that a query sees; 0: all
};

// One way to cut the weights into the pieces that are pinned or streamed, in the order in which a step needs them.
struct WindowShape {
  struct Piece {
    uint64_t bytes = 0;
    uint32_t phase = 0;  // pieces of one phase are neighbours
    bool first = false;  // pinned before all others: attention
  };
  uint64_t limit_bytes = 0;  // of a piece, unless it is a single chunk
  uint64_t slot_bytes = 0;   // the largest piece
  uint32_t min_slots = 2;
  std::vector<Piece> pieces;
};

struct ModelShape {
  uint32_t d_model = 0, n_vocab = 0, n_ctx = 0;  // n_ctx: as trained
  std::vector<LayerShape> layers;
  std::vector<uint32_t> rope_halves;  // pairs of each rope table
  bool has_post_norms = false;        // then branches need buffers of their own

  uint64_t weight_bytes = 0;            // all chunks that are computed with, as they lie in memory
  uint64_t weight_bytes_per_token = 0;  // of them, read for one decoded token
  uint64_t vector_bytes = 0;            // norms, biases
  // Of the embedding, where its rows are not resident: always (a row-major table), or only when weights are streamed.
  uint64_t gather_row_bytes = 0;     // what one row of a step takes then
  uint64_t gather_buffer_bytes = 0;  // room to read with
  bool gathers_always = false;
  std::vector<WindowShape> windows;  // by falling size of their slots; empty: this model cannot be streamed
  uint64_t window_table_bytes = 0;   // of each piece: its share of the tables that streaming needs
  uint64_t header_bytes = 0;         // of the file's header, without the vocabulary
  uint64_t tokenizer_bytes = 0;      // the vocabulary
  uint64_t table_bytes = 0;          // chunk pointers and the like
};

std::vector<KvLayerShape> kv_shapes(const ModelShape& shape);

}  // namespace sluice
