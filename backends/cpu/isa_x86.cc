// SPDX-License-Identifier: Apache-2.0
#include <cpuid.h>

#include "backends/cpu/isa_list.h"

namespace sluice::cpu {

namespace {

// Not every compiler's __builtin_cpu_supports knows these two names.
bool has_f16c() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
bool has_avxvnni() {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4);
}

}  // namespace

std::vector<const Kernels*> usable_isas() {
  std::vector<const Kernels*> isas = {&scalar_kernels};
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  if (avx2) isas.push_back(&avx2_kernels);
  if (avx2 && has_avxvnni()) isas.push_back(&avxvnni_kernels);
  if (avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni"))
    isas.push_back(&avx512vnni_kernels);
  return isas;
}

}  // namespace sluice::cpu
