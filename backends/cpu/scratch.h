// SPDX-License-Identifier: Apache-2.0
// All memory the CPU backend works in, laid out once by prepare(): one shared part and one part per thread.
#pragma once
#include "backends/backend.h"
#include "backends/cpu/kernels.h"

namespace sluice::cpu {

// Rows ready for the matrix products, 16 to a panel: int8 panels one after the other, floats row by row.
struct Rows {
  int8_t* q = nullptr;
  int8_t* q_low = nullptr;  // of queries only
  float* scale = nullptr;
  float* scaled_sum = nullptr;
  int32_t* sum16 = nullptr;
  float* x = nullptr;
  size_t stride = 0;  // floats from one row of x to the next
  uint32_t n_rows = 0, n_groups = 0;

  uint32_t n_panels() const { return (n_rows + kPanelColumns - 1) / kPanelColumns; }
  Panel panel(uint32_t i) const;
  QuantizedRow row(uint32_t r) const;  // its place in the panels
};

// What one thread needs for itself.
struct ThreadScratch {
  Rows row;       // one row of the longest input: the prologue of a single row
  float* x;       // [d_model] x_out of that row
  float* rows16;  // [2][16] groups of 32: 4 strips' outputs, [4][16 columns][16 lanes]
  // Attention of up to 16 queries.
  Rows q;                      // n_groups of head_dim
  float* weights;              // [16][256]
  float *out, *next;           // [16][head_dim]
  float *max, *sum;            // [16] of the blocks so far
  float *next_max, *next_sum;  // [16] of the block
};

// Results of single blocks of 256 slots, when the blocks of a row are shared out: [row][head][block].
struct Partials {
  float *max, *sum;  // one each
  float* out;        // [head_dim] each
};

inline constexpr uint32_t kSplitRows = 4;  // steps of at most this many rows share out the blocks of a row

struct Scratch {
  Rows rows;     // the step's rows, in panels
  float *k, *v;  // [n_rows][n_kv_heads * head_dim]
  Partials partials;
  uint32_t max_blocks = 0;  // per row, for partials
  ThreadScratch* threads;   // [n_threads]
};

// Places everything after `base` (null: only counts) and returns the bytes.
uint64_t lay_out(const StepLimits& limits, uint32_t n_threads, std::byte* base, Scratch* scratch);

}  // namespace sluice::cpu
