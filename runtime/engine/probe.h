// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most, measured now with the engine's threads.
#pragma once
#include "runtime/engine/engine.h"

namespace sluice {

struct MachineProbe {
  double read_GB_s = 0;    // reading memory larger than the caches, 1e9 bytes/s
  double int8_GMAC_s = 0;  // multiply-accumulates of a large matrix product on this device, 1e9/s
};

// About a second. Uses the engine's weights as the memory to read, or a block of its own where they would fit a cache
// and the budget allows. What the engine computed last is lost.
Result<MachineProbe> probe_machine(Engine& engine);

}  // namespace sluice
