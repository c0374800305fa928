// SPDX-License-Identifier: Apache-2.0
// Compiled with -mavx2 -mfma -mf16c: includes kernels and C headers only, exports one table.
#define SLUICE_CPU_ISA avx2
#include "backends/cpu/kernels.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/cpu/kernels/vec_avx2.h"
// After the vector type:
#include "backends/cpu/kernels/dot_avx2.h"
#include "backends/cpu/kernels/math-inl.h"
#include "backends/cpu/kernels/no_pairs.h"
// After the integer products:
#include "backends/cpu/kernels/matmul-inl.h"
#include "backends/cpu/kernels/rows-inl.h"
// After rows:
#include "backends/cpu/kernels/attend-inl.h"
#include "backends/cpu/kernels/table-inl.h"

namespace sluice::cpu {
const Kernels avx2_kernels = avx2::make_table("avx2");
}
