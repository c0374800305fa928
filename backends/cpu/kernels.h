// SPDX-License-Identifier: Apache-2.0
// The table that every ISA of the CPU backend fills: what docs/NUMERICS.md fixes, over plain pointers. This header is
// included by files compiled for one ISA, so it holds no function and includes no library header with code: an inline
// function compiled with AVX-512 could otherwise be linked into portable code.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace sluice::cpu {

// The weight formats the kernels know; format_id() in formats.h finds the one of a WeightFormat.
enum class FormatId : uint8_t {
  kF16Code2,
  kF16Code4,
  kF16Table4,
  kF16By16Table4,
  kF16Code5,
  kF16Code8,
  kF16MinCode4,
  kF16MinCode5,
  kSuper6MinCode4,
  kSuper6MinCode5,
  kSuper4MinCode2,
  kSuper6Code3,
  kSuper6Table4,
  kSuper8Code6,
  kE8M0Table4,
  kF32,
  kF16,
  kBF16,
  kCount
};
inline constexpr int kIntFormats = int(FormatId::kF32);
inline constexpr int kFormats = int(FormatId::kCount);

inline constexpr uint32_t kPanelColumns = 16;  // activation rows that run through a strip together, at most
inline constexpr uint32_t kLanes = 16;         // rows of a strip

// Activation rows side by side. int8: group g of column c has its 32 bytes at q + (g * width + c) * 32, its scale and
// scaled sum at [g * width + c], its two sums of 16 at 2 * (g * width + c). Floats: x[c * stride + k].
struct Panel {
  const int8_t* q;
  const float* scale;
  const float* scaled_sum;
  const int32_t* sum16;
  const float* x;
  size_t stride;
  uint32_t width;
  const int8_t* q_low;  // attention only: the low bytes of 16-bit codes 256 q + q_low, laid out as q
};

// One strip: the blocks [begin, end) of it.
struct Strip {
  const uint8_t* data;  // first byte of the strip (of block 0)
  uint32_t begin, end;
  const int8_t* table;  // 16 values, or null
  int32_t zero_point;
};

// Where a quantized row goes: group g's bytes at q + g * q_step, its numbers at index g * step.
struct QuantizedRow {
  int8_t* q;
  float* scale;
  float* scaled_sum;  // may be null
  int32_t* sum16;
  size_t q_step, step;
  int8_t* q_low;  // queries only: the codes are 256 q + q_low, scale and sums are those of the 16-bit codes
};

// One block of 256 cache slots for up to kPanelColumns queries of one KV head.
struct AttendBlock {
  Panel q;                       // int8, groups of 32 channels
  const int8_t* keys;            // [16][dim4][16][4]
  const uint16_t* key_scales;    // [16][n_groups][16]
  const int8_t* values;          // [256][head_dim]
  const uint16_t* value_scales;  // [256]
  uint32_t head_dim;
  const uint16_t* first;  // visible slots [first, last) of each column
  const uint16_t* last;
  float scale, softcap;
  float* weights;  // work, [kPanelColumns][256]
  float* max;      // results, [width]; max and sum only of columns with a visible slot
  float* sum;
  float* out;  // [width][head_dim]
};

struct Kernels {
  const char* name;
  // out[c * 16 + lane], c < panel.width: the product of the strip's rows with each column.
  void (*dot[kFormats])(const Strip& strip, const Panel& panel, float* out);
  // dest[lane] = (accumulate ? dest[lane] : nothing) + (value[lane] + bias[lane]), n lanes; bias may be null.
  void (*store)(float* dest, const float* value, const float* bias, bool accumulate, uint32_t n);
  float (*inverse_rms)(const float* x, uint32_t n, float eps);
  void (*normalize)(const float* x, float inverse, const float* w, float* y, uint32_t n);  // y may be x
  void (*add)(const float* x, const float* y, float* sum, uint32_t n);
  // n values; groups beyond them up to n_groups are zero.
  void (*quantize)(const float* x, uint32_t n, uint32_t n_groups, const QuantizedRow& row);
  // For attention: rotated like the keys, 16-bit codes 256 q + q_low.
  void (*quantize_query)(const float* x, uint32_t n, uint32_t n_groups, const QuantizedRow& row);
  void (*scale_sums)(const float* scale, const int32_t* sum16, float* scaled_sum, uint32_t n_groups);
  void (*gate_silu)(const float* gate, const float* up, float* out, uint32_t n);
  void (*gate_gelu_tanh)(const float* gate, const float* up, float* out, uint32_t n);
  void (*softcap)(float* x, float cap, uint32_t n);
  void (*rope)(float* head, const float* cos, const float* sin, uint32_t half);
  // One key into its place of a strip: keys [dim4][16][4], scales [n_groups][16], lane = slot mod 16.
  void (*write_key)(const float* key, uint32_t head_dim, int8_t* keys, uint16_t* scales, uint32_t lane);
  void (*write_value)(const float* value, uint32_t head_dim, int8_t* values, uint16_t* scale);
  void (*attend_block)(const AttendBlock& block);
  // (max, sum, out) of earlier blocks with the next block's.
  void (*merge)(float* max, float* sum, float* out, float next_max, float next_sum, const float* next, uint32_t n);
  void (*divide)(float* out, const float* o, float sum, uint32_t n);
  // Probes: both return something that depends on all the work.
  uint64_t (*read_bytes)(const uint8_t* data, size_t n);
  int32_t (*multiply_int8)(const uint8_t* lines, const int8_t* q, uint32_t rounds);  // 8 lines, 8 x 32 q; 4096 MAC x 8
};

extern const Kernels scalar_kernels;
extern const Kernels avx2_kernels;
extern const Kernels avxvnni_kernels;
extern const Kernels avx512vnni_kernels;
extern const Kernels neon_kernels;
extern const Kernels dotprod_kernels;
extern const Kernels i8mm_kernels;

}  // namespace sluice::cpu
