// SPDX-License-Identifier: Apache-2.0
// Compiled with the AVX-512 flags of CMakeLists.txt: includes kernels and C headers only, exports one table.
#define SLUICE_CPU_ISA avx512vnni
#include "backends/cpu/kernels.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/cpu/kernels/vec_avx512.h"
// After the vector type:
#include "backends/cpu/kernels/math-inl.h"
#include "backends/cpu/kernels/no_pairs.h"
// After the integer products:
#include "backends/cpu/kernels/matmul-inl.h"
#include "backends/cpu/kernels/rows-inl.h"
// After rows:
#include "backends/cpu/kernels/attend-inl.h"
#include "backends/cpu/kernels/table-inl.h"

namespace sluice::cpu {
const Kernels avx512vnni_kernels = avx512vnni::make_table("avx512vnni");
}
