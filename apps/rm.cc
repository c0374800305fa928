// SPDX-License-Identifier: Apache-2.0
// sluice rm: removes a converted model from the cache. Only exact names, never one that is in use.
#include <cerrno>
#include <cstring>

#include "cache.h"
#include "looks.h"
#include "output.h"
#include "signals.h"
#include "verbs.h"

namespace sluice {

namespace {

int run_rm(const Arguments& arguments) {
  const std::string& name = arguments.positional()[0];
  const auto entry = find_cache_entry(name);
  if (!entry) return complain(kBadModel, "'" + name + "': no model of that name in the cache (see `sluice list`)");
  EntryLock lock;
  if (!lock.acquire(name, LockKind::kExclusive, false)) {
    if (errno == EWOULDBLOCK) return complain(kFailed, name + " is in use by another sluice");
    return complain(kFailed, name + ": cannot lock: " + strerror(errno));
  }
  if (!remove_cache_entry(name)) return complain(kFailed, entry->path + ": cannot remove: " + strerror(errno));
  note("removed " + name + " (" + human_bytes(entry->bytes) + ")");
  return kOk;
}

}  // namespace

const Verb& rm_verb() {
  static const Verb verb = {"rm",
                            "Models on this machine",
                            "NAME",
                            "remove a converted model from the cache",
                            "The file it was converted from is not touched.",
                            {general_options(false)},
                            1,
                            1,
                            {"sluice rm SmolLM2-135M-Instruct-3f2a91bc04de"},
                            run_rm};
  return verb;
}

}  // namespace sluice
