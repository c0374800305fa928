// SPDX-License-Identifier: Apache-2.0
// Compiled with -march=armv8.2-a+dotprod+i8mm: includes kernels and C headers only, exports one table.
#define SLUICE_CPU_ISA i8mm
#include "backends/cpu/kernels.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/cpu/kernels/vec_neon.h"
// After the vector type:
#include "backends/cpu/kernels/dot_sdot.h"
#include "backends/cpu/kernels/dot_smmla.h"
#include "backends/cpu/kernels/math-inl.h"
// After the integer products:
#include "backends/cpu/kernels/matmul-inl.h"
#include "backends/cpu/kernels/rows-inl.h"
// After rows:
#include "backends/cpu/kernels/attend-inl.h"
#include "backends/cpu/kernels/table-inl.h"

namespace sluice::cpu {
const Kernels i8mm_kernels = i8mm::make_table("i8mm");
}
