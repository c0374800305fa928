// SPDX-License-Identifier: Apache-2.0
// The portable path: the kernels over plain arrays. It is the oracle that every vector path must equal bit for bit.
#define SLUICE_CPU_ISA scalar
#include "backends/cpu/kernels.h"
#include "backends/cpu/kernels/half-inl.h"
#include "backends/cpu/kernels/vec_scalar.h"
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
const Kernels scalar_kernels = scalar::make_table("scalar");
}
