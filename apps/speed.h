// SPDX-License-Identifier: Apache-2.0
// How fast models decode on this device: probed when a plan asks for it, corrected by what runs then reach, and kept in
// the cache, one small file for each model and way to compute it. What a file says is believed only if it was written
// on this machine as it is now, and makes sense.
#pragma once
#include <string>

#include "files.h"
#include "sluice/sluice.h"

namespace sluice {

// Who computes what: the fields that a file's name is made of, and those that must not have changed since.
struct SpeedKey {
  std::string model_hash, device, isa, cpu, kernel;
  uint64_t threads = 0, disk = 0;  // disk: the device that the model's file lies on
};
// From the descriptions of a model and of a plan for it.
SpeedKey speed_key(const Json& model, const Json& plan, const std::string& path);

struct KnownSpeed {
  sluice_speed speed = SLUICE_SPEED_INIT;              // 0: not known
  bool token_from_run = false, disk_from_run = false;  // else from a probe
};

// What is kept; nothing is known where a file is missing, older than a day and never followed by a run, of another
// machine, or damaged.
KnownSpeed recall_speed(const SpeedKey& key);
// After a probe. A cache that cannot be written costs only the next probe: no complaint.
void keep_probe(const SpeedKey& key, const sluice_speed& probed);

// What a run has reached.
struct Reached {
  uint64_t tokens = 0;  // decoded one by one
  double seconds = 0;
  uint64_t context_bytes = 0;                 // read for each, about
  uint64_t streamed_bytes = 0, io_limit = 0;  // for each; a second
};
// Corrects what is known by a run of at least kLeastTokens; what such a run says, or 0 for what it does not tell.
inline constexpr uint64_t kLeastTokens = 16;
void keep_run(const SpeedKey& key, const Reached& run);
sluice_speed learned_from(const Reached& run, const sluice_speed& known);

}  // namespace sluice
