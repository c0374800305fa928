// SPDX-License-Identifier: Apache-2.0
#include <asm/hwcap.h>
#include <sys/auxv.h>

#include "backends/cpu/isa_list.h"

namespace sluice::cpu {

std::vector<const Kernels*> usable_isas() {
  std::vector<const Kernels*> isas = {&scalar_kernels};
  if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) isas.push_back(&dotprod_kernels);
  return isas;
}

}  // namespace sluice::cpu
