// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/isa_list.h"

namespace sluice::cpu {

std::vector<const Kernels*> usable_isas() {
  std::vector<const Kernels*> isas = {&scalar_kernels};
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (avx2) isas.push_back(&avx2_kernels);
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni"))
    isas.push_back(&avx512vnni_kernels);
  return isas;
}

}  // namespace sluice::cpu
