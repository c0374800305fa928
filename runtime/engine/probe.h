// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most, measured now with an engine's threads.
#pragma once
#include "backends/probe.h"
#include "runtime/engine/engine.h"

namespace sluice {

// About a second. The memory read is the engine's weights, or a block of its own where those would fit a cache and the
// budget has room for it.
Probe probe_engine(Engine& engine);

}  // namespace sluice
