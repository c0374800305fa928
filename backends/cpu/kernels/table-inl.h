// SPDX-License-Identifier: Apache-2.0
// Included last by every isa file: the kernels above it as one table.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr Kernels make_table(const char* name) {
  return Kernels{name,
                 {dot_int8<Format<2, Scales::kF16, false>>, dot_int8<Format<4, Scales::kF16, false>>,
                  dot_int8<Format<4, Scales::kF16, true>>, dot_int8<Format<4, Scales::kF16By16, true>>,
                  dot_int8<Format<5, Scales::kF16, false>>, dot_int8<Format<8, Scales::kF16, false>>,
                  dot_int8<Format<4, Scales::kF16Min, false>>, dot_int8<Format<5, Scales::kF16Min, false>>,
                  dot_int8<Format<4, Scales::kSuper6Min, false>>, dot_int8<Format<5, Scales::kSuper6Min, false>>,
                  dot_int8<Format<2, Scales::kSuper4Min, false>>, dot_int8<Format<3, Scales::kSuper6By16, false>>,
                  dot_int8<Format<4, Scales::kSuper6, true>>, dot_int8<Format<6, Scales::kSuper8, false>>,
                  dot_int8<Format<4, Scales::kE8M0, true>>, dot_float<FloatWeight>, dot_float<HalfWeight>,
                  dot_float<BFloatWeight>},
                 store,
                 inverse_rms,
                 normalize,
                 add,
                 quantize,
                 quantize_query,
                 scale_sums,
                 gate_silu,
                 gate_gelu_tanh,
                 softcap,
                 rope,
                 write_key,
                 write_value,
                 attend_block,
                 merge,
                 divide,
                 read_bytes,
                 multiply_int8};
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
