// SPDX-License-Identifier: Apache-2.0
// The one seam between the runtime and a device. The engine describes a step as a list of phases (plain structs,
// pointers into memory it owns); a backend runs the list in order and may fuse across phase borders. Nothing here
// knows files, tokens' texts or sessions. docs/NUMERICS.md fixes what each phase computes, bit by bit.
//
// Version 1 has dense layers with biases, qk norms, post-norms, windows and soft caps; unit ranges of every phase but
// Gather, a K range of Project, weights as lists of chunks, and tickets per submit(). Experts, a low-rank adapter, the
// best k of the head and tickets per phase are not in it: each will come as fields of its phase, with the first backend
// that computes it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/accountant.h"
#include "base/result.h"
#include "base/thread_pool.h"

namespace sluice {

// ---- weights ----------------------------------------------------------------------------------------------------

enum class CodeKind : uint8_t { kUnsigned, kInt8, kF32, kF16, kBF16 };
enum class ScaleKind : uint8_t { kNone, kF16, kF16Min, kSuper6Min, kSuper8, kSuper6, kSuper4Min, kE8M0 };

// How a matrix is stored; schema/FORMAT.md §tile gives the bytes. A block is block_inputs inputs of one strip.
struct WeightFormat {
  CodeKind code = CodeKind::kF32;
  ScaleKind scale = ScaleKind::kNone;
  uint8_t code_bits = 32;
  uint8_t zero_point = 0;
  uint32_t group_size = 0;    // inputs that share one scale
  uint32_t block_inputs = 1;  // 64, 256; 1 for floats
  uint32_t block_bytes = 64;  // of 16 rows
  bool has_table = false;
  int8_t table[16] = {};
};

inline constexpr uint32_t kStripRows = 16;

// A matrix [rows, cols] as a list of chunk pointers, never one pointer. Rows are padded to whole strips and cols to
// whole blocks; padding has code = zero point and scale 0.
struct Matrix {
  const WeightFormat* format = nullptr;
  uint32_t rows = 0, cols = 0;               // outputs, inputs (without padding)
  const std::byte* const* chunks = nullptr;  // chunk c begins with strip c * strips_per_chunk
  uint32_t strips_per_chunk = 1;
  uint32_t strip_stride = 0;  // bytes from one strip of this matrix to its next in a chunk
  uint32_t strip_offset = 0;  // of this matrix's first strip in each chunk (gate/up alternate)

  uint32_t n_strips() const { return (rows + kStripRows - 1) / kStripRows; }
  uint32_t n_blocks() const { return (cols + format->block_inputs - 1) / format->block_inputs; }
  const std::byte* strip(uint32_t s) const {
    return chunks[s / strips_per_chunk] + strip_offset + size_t(s % strips_per_chunk) * strip_stride;
  }
};

// One row to gather: row `lane` of a strip of `lanes` rows (16 in a tiled matrix, 1 in a row-major table).
struct GatherRow {
  const std::byte* strip = nullptr;
  uint32_t lane = 0, lanes = kStripRows;
};

// ---- activations ------------------------------------------------------------------------------------------------

// [n_rows, cols] between two phases. The int8 form (groups of 32 along cols, the last may be short):
// value = scale * q; sums: Σ q of each half group of 16. Backends with info().f32_activations use f32 alone.
struct Activations {
  float* f32 = nullptr;      // [n_rows][cols]
  int8_t* q8 = nullptr;      // [n_rows][padded_cols], padding 0; 64-byte-aligned rows
  float* scale = nullptr;    // [n_rows][n_groups]
  int32_t* sum16 = nullptr;  // [n_rows][2 * n_groups]
  uint32_t cols = 0;

  static constexpr uint32_t kGroup = 32;
  static uint32_t padded(uint32_t cols) { return (cols + 255) / 256 * 256; }  // whole blocks of every format
  uint32_t padded_cols() const { return padded(cols); }
  uint32_t n_groups() const { return padded_cols() / kGroup; }
};

// ---- KV cache ---------------------------------------------------------------------------------------------------

enum class KvType : uint8_t { kF32, kQ8 };
inline constexpr uint32_t kKvBlockSlots = 256;  // attention runs in blocks of this many slots, merged in order

// One layer of one session's cache. slot = absolute position. n_slots is a multiple of kKvBlockSlots.
//   kF32: keys, values f32 [n_kv_heads][n_slots][head_dim]
//   kQ8:  keys int8 [n_kv_heads][n_slots/16][dim4][16][4]  with dim4 = ceil(head_dim / 4), channel = 4 * i + j, after
//         the rotation of each whole group of 32 channels that docs/NUMERICS.md describes
//         key_scales f16 [n_kv_heads][n_slots/16][n_groups][16], one per 32 channels (n_groups = ceil(head_dim/32))
//         values int8 [n_kv_heads][n_slots][head_dim], value_scales f16 [n_kv_heads][n_slots]
struct KvLayer {
  std::byte* keys = nullptr;
  std::byte* values = nullptr;
  uint16_t* key_scales = nullptr;
  uint16_t* value_scales = nullptr;
};

// Consecutive rows of the step that belong to one session: row first_row + i is position pos + i.
struct SequenceRows {
  uint32_t first_row = 0, n_rows = 0;
  uint32_t pos = 0;
  uint32_t n_slots = 0;
  KvType kv_type = KvType::kQ8;
  const KvLayer* layers = nullptr;  // [n_layers]
};

struct StepRows {
  uint32_t n_rows = 0;
  std::span<const SequenceRows> sequences;  // cover all rows in order
};

// ---- phases -----------------------------------------------------------------------------------------------------

// Output units of a phase: KV groups in Qkv and Attend, strips elsewhere (GateUp: pairs of strips, even begin and end
// unless the end is the last). The default is everything.
struct UnitRange {
  uint32_t begin = 0, end = ~uint32_t{0};
};

// What a phase does before its own work, because it needs the whole row:
//   if branch: x_out = x + (post_norm ? rms(branch) * post_norm : branch), else x_out = x (and x_out == x)
//   h = rms(x_out) * norm;  rms(v) = v / sqrt(mean(v²) + eps)
// x, branch, x_out: [n_rows, d_model] f32; x_out must not alias x when there is a branch.
struct Prologue {
  const float* x = nullptr;
  const float* branch = nullptr;
  const float* post_norm = nullptr;
  float* x_out = nullptr;
  const float* norm = nullptr;
  float eps = 0;
  uint32_t d_model = 0;
  // [d_model]: += h² of every row whose h the phase uses. For evaluation: only backends with f32_activations do it.
  double* h_squares = nullptr;
};

// x[i] = scale * row(rows[i])   [n_rows, d_model]
struct GatherPhase {
  const WeightFormat* format = nullptr;
  std::span<const GatherRow> rows;
  uint32_t cols = 0;
  float scale = 1;
  float* x = nullptr;
};

// cos/sin of each row's angles for this layer's rope, [n_rows][half]; pairs are (j, j + half), the rest passes.
struct RopeRows {
  const float* cos = nullptr;
  const float* sin = nullptr;
  uint32_t half = 0;
};

// q, k, v = h·W (+ bias); q and k: (qk norm), rope. q goes to `q`, k and v into the cache at each row's position.
struct QkvPhase {
  Prologue in;
  Matrix wq, wk, wv;
  const float *q_bias = nullptr, *k_bias = nullptr, *v_bias = nullptr;
  const float *q_norm = nullptr, *k_norm = nullptr;  // [head_dim], eps as in `in`
  RopeRows rope;
  uint32_t n_heads = 0, n_kv_heads = 0, head_dim = 0;
  uint32_t layer = 0;
  float* q = nullptr;  // [n_rows, n_heads * head_dim]
  UnitRange groups;
};

// out = softmax(scale * q·k, visible slots) · v per head; slot p is visible to row position t iff p <= t and
// (window == 0 or t - p < window). softcap c > 0: c * tanh(logit / c) first.
struct AttendPhase {
  const float* q = nullptr;
  uint32_t n_heads = 0, n_kv_heads = 0, head_dim = 0;
  uint32_t layer = 0, window = 0;
  float scale = 1, softcap = 0;
  Activations out;  // [n_rows, n_heads * head_dim]; both forms are allocated
  UnitRange groups;
};

// dest (+)= in·W (+ bias)   [n_rows, w.rows] f32. accumulate: added to dest (the residual), else stored (a branch
// whose post-norm runs in the next prologue). Inputs k_begin <= k < k_end only (multiples of 256, or the end): partial
// sums for a later split over devices, outside the bit-equality promise.
struct ProjectPhase {
  Activations in;
  Matrix w;
  const float* bias = nullptr;
  float* dest = nullptr;
  bool accumulate = true;
  uint32_t k_begin = 0, k_end = ~uint32_t{0};
  double* in_squares = nullptr;  // [in.cols]: += in² of every row, as in Prologue
  UnitRange strips;
};

enum class Activation : uint8_t { kSilu, kGeluTanh };

// out = act(h·Wgate) * (h·Wup)   [n_rows, d_ff]
struct GateUpPhase {
  Prologue in;
  Matrix gate, up;
  Activation activation = Activation::kSilu;
  Activations out;
  UnitRange strips;
};

// logits[i] = cap(h[row_index[i]]·Whead)   [n_out, n_vocab] f32; rows beyond n_vocab are padding and never written.
struct HeadPhase {
  Prologue in;                          // norm is the final norm; x_out as in every prologue
  std::span<const uint32_t> row_index;  // rows of the step whose logits are asked for
  Matrix head;
  uint32_t n_vocab = 0;
  float softcap = 0;
  float* logits = nullptr;
  const uint32_t* row_order = nullptr;  // row r of the head is token row_order[r]; null: identity
  UnitRange strips;
};

using PhaseArgs = std::variant<GatherPhase, QkvPhase, AttendPhase, ProjectPhase, GateUpPhase, HeadPhase>;

struct Phase {
  const StepRows* rows = nullptr;
  PhaseArgs args;
};

// ---- the backend ------------------------------------------------------------------------------------------------

// A point on a backend's own timeline; 0 is always past. Both backends of today finish inside submit(), so the engine
// only ever waits for the last.
using Ticket = uint64_t;

// The largest step a backend must be ready for.
struct StepLimits {
  uint32_t max_rows = 1;                                  // rows of one step
  uint32_t max_out_rows = 1;                              // rows with logits
  uint32_t d_model = 0, max_cols = 0, max_heads_dim = 0;  // max_cols: longest input of any matrix; n_heads * head_dim
  uint32_t max_kv_heads_dim = 0, max_heads = 0, max_head_dim = 0;
  uint32_t n_ctx = 0, n_vocab = 0;
};

struct BackendInfo {
  std::string name;              // "cpu", "reference"
  std::string isa;               // "scalar", "avx2", "avx512vnni", …
  bool f32_activations = false;  // phases exchange float32 instead of int8
  KvType kv_type = KvType::kQ8;
  uint32_t usual_rows = 512;     // of a prefill chunk: more gain no speed, or make it too long
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const BackendInfo& info() const = 0;

  // Bytes prepare() will take from the accountant; pure, so that a plan can count them.
  virtual uint64_t scratch_bytes(const StepLimits& limits) const = 0;
  virtual Status prepare(const StepLimits& limits, Accountant& accountant) = 0;

  // kBadModel with the format's description if a weight format cannot be computed here.
  virtual Status supports(const WeightFormat& format) const = 0;

  // Runs the phases in order after all tickets in `wait`. Allocates nothing. The phases, and all they point to, must
  // stay until the returned ticket is past.
  virtual Result<Ticket> submit(std::span<const Phase> program, std::span<const Ticket> wait) = 0;
  virtual Status wait(Ticket ticket) = 0;
};

// device: "auto", "cpu", "reference". The pool must outlive the backend. kNoDevice names what is available.
// SLUICE_ISA in the environment forces the CPU path: scalar, avx2, avx512vnni, …; kNoDevice if this CPU lacks it.
Result<std::unique_ptr<Backend>> create_backend(std::string_view device, ThreadPool& pool);

// Every ISA path of the cpu backend that this machine can run, best last; for tests.
std::vector<std::string> cpu_isas();
Result<std::unique_ptr<Backend>> create_cpu_backend(std::string_view isa, ThreadPool& pool);

}  // namespace sluice
