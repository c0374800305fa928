// SPDX-License-Identifier: Apache-2.0
// Takes the place of isa_x86.cc in the test program of avxvnni_twin.cc.
#include <cstdio>
#include <cstdlib>

#include "backends/cpu/isa_list.h"

namespace sluice::cpu {

std::vector<const Kernels*> usable_isas() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512vnni")) {
    std::puts("==== SKIPPED: this CPU has no AVX-512 VNNI to stand in for AVX-VNNI ====");
    std::exit(77);
  }
  return {&scalar_kernels, &avxvnni_kernels};
}

}  // namespace sluice::cpu
