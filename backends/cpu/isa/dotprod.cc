// SPDX-License-Identifier: Apache-2.0
// Compiled with -march=armv8.2-a+dotprod: includes kernels and C headers only, exports one table.
#define SLUICE_CPU_ISA dotprod
#include "backends/cpu/kernels.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/cpu/kernels/vec_neon.h"
// After the vector type:
#include "backends/cpu/kernels/dot_sdot.h"
#include "backends/cpu/kernels/math-inl.h"
#include "backends/cpu/kernels/no_pairs.h"
// After the integer products:
#include "backends/cpu/kernels/matmul-inl.h"
#include "backends/cpu/kernels/rows-inl.h"
// After rows:
#include "backends/cpu/kernels/attend-inl.h"
#include "backends/cpu/kernels/table-inl.h"

namespace sluice::cpu {
const Kernels dotprod_kernels = dotprod::make_table("dotprod");
}
