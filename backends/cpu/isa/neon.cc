// SPDX-License-Identifier: Apache-2.0
// Compiled with the architecture's own flags: every AArch64 has NEON: includes kernels and C headers only, exports one
// table.
#define SLUICE_CPU_ISA neon
#include "backends/cpu/kernels.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/cpu/kernels/vec_neon.h"
// After the vector type:
#include "backends/cpu/kernels/dot_neon.h"
#include "backends/cpu/kernels/math-inl.h"
#include "backends/cpu/kernels/no_pairs.h"
// After the integer products:
#include "backends/cpu/kernels/matmul-inl.h"
#include "backends/cpu/kernels/rows-inl.h"
// After rows:
#include "backends/cpu/kernels/attend-inl.h"
#include "backends/cpu/kernels/table-inl.h"

namespace sluice::cpu {
const Kernels neon_kernels = neon::make_table("neon");
}
