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

struct ModelShape {
  uint32_t d_model = 0, n_vocab = 0, n_ctx = 0;  // n_ctx: as trained
  std::vector<LayerShape> layers;
  std::vector<uint32_t> rope_halves;  // pairs of each rope table
  bool has_post_norms = false;        // then branches need buffers of their own

  uint64_t weight_bytes = 0;            // all chunks that are computed with, as they lie in memory
  uint64_t weight_bytes_per_token = 0;  // of them, read for one decoded token
  uint64_t vector_bytes = 0;            // norms, biases
  uint64_t gather_row_bytes = 0;        // one row of a table that is read row by row; 0: rows come from the weights
  uint64_t gather_chunk_bytes = 0;      // its largest chunk (read whole when first touched, to check its hash)
  uint64_t header_bytes = 0;            // of the file's header, without the vocabulary
  uint64_t tokenizer_bytes = 0;         // the vocabulary
  uint64_t table_bytes = 0;             // chunk pointers and the like
};

std::vector<KvLayerShape> kv_shapes(const ModelShape& shape);

}  // namespace sluice
