// SPDX-License-Identifier: Apache-2.0
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "backends/cpu/isa_list.h"

namespace sluice::cpu {

std::vector<const Kernels*> usable_isas() {
  std::vector<const Kernels*> isas = {&scalar_kernels, &neon_kernels};
  const bool dotprod = getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
  if (dotprod) isas.push_back(&dotprod_kernels);
  if (dotprod && (getauxval(AT_HWCAP2) & HWCAP2_I8MM)) isas.push_back(&i8mm_kernels);
  return isas;
}

}  // namespace sluice::cpu
