// SPDX-License-Identifier: Apache-2.0
// What this machine can do at most, measured now: with an engine's threads, or before there is one.
#pragma once
#include "backends/probe.h"
#include "runtime/engine/engine.h"

namespace sluice {

// About a second. The memory read is the engine's weights, or a block of its own where those would fit a cache and the
// budget has room for it.
Probe probe_engine(Engine& engine);

// Memory read bandwidth of `n_threads` in 1e9 bytes/s, for predictions: about a tenth of a second and, for so long, up
// to 256 MiB. kNoMemory where `available_bytes` leaves too little to measure with.
Result<double> measure_read_GB_s(int n_threads, uint64_t available_bytes);

}  // namespace sluice
