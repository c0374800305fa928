// SPDX-License-Identifier: Apache-2.0
// Compiled with -mavx2 -mfma -mf16c -mavxvnni: includes kernels and C headers only, exports one table.
#define SLUICE_CPU_ISA avxvnni
#include "backends/cpu/kernels.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/cpu/kernels/vec_avx2.h"
// After the vector type:
#include "backends/cpu/kernels/dot_avxvnni.h"
#include "backends/cpu/kernels/math-inl.h"
#include "backends/cpu/kernels/no_pairs.h"
// After the integer products:
#include "backends/cpu/kernels/matmul-inl.h"
#include "backends/cpu/kernels/rows-inl.h"
// After rows:
#include "backends/cpu/kernels/attend-inl.h"
#include "backends/cpu/kernels/table-inl.h"

namespace sluice::cpu {
const Kernels avxvnni_kernels = avxvnni::make_table("avxvnni");
}
