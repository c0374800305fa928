// SPDX-License-Identifier: Apache-2.0
// Behind the C door: what the opaque handles are, and the guard that turns every outcome of a call into a status. The
// only exception that can arise is std::bad_alloc, and it ends here.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <thread>

#include "base/result.h"
#include "runtime/session/generate.h"
#include "sluice/sluice.h"

struct sluice_model {
  std::shared_ptr<const sluice::Model> model;
};
struct sluice_plan {
  std::shared_ptr<const sluice::Model> model;  // the one it was made for
  sluice::Plan plan;
};
struct sluice_engine {
  std::unique_ptr<sluice::Engine> engine;
  double load_s = 0;
  // Who computes with it; a change of its budget is short and is waited for.
  enum class Use : uint8_t { kFree, kCall, kTrim };
  std::atomic<Use> use{Use::kFree};
  std::atomic<std::thread::id> caller{};  // the thread of the call
};
struct sluice_session {
  sluice_engine* owner;
  std::unique_ptr<sluice::Session> session;
};

namespace sluice::door {

// Writes the error where the caller wants it and returns its status.
sluice_status report(const Error& error, sluice_error* out);
// The same for a failed allocation; allocates nothing.
sluice_status report_no_memory(sluice_error* out);
sluice_status report_foreign_exception(sluice_error* out);

// Runs the body of a call.
template <class Body>
sluice_status guard(sluice_error* error, Body body) noexcept {
  try {
    const Status status = body();
    return status.ok() ? SLUICE_OK : report(status.error(), error);
  } catch (const std::bad_alloc&) {
    return report_no_memory(error);
  } catch (...) {  // out of a callback of a C++ host: nothing of ours throws anything else
    return report_foreign_exception(error);
  }
}

// kUsage unless all are there.
template <class... Pointers>
Status require(const char* function, Pointers... pointers) {
  if ((... && (pointers != nullptr))) return {};
  return make_error(Code::kUsage, function, kNoOffset, "a required argument is NULL");
}

// One call at a time on an engine and its sessions: another one, of a second thread or out of a callback, is refused.
class Turn {
 public:
  using Use = sluice_engine::Use;

  explicit Turn(sluice_engine& engine, Use use = Use::kCall) : engine_(engine) {
    Use before = Use::kFree;
    while (!engine_.use.compare_exchange_strong(before, use, std::memory_order_acquire) && before == Use::kTrim) {
      engine_.use.wait(Use::kTrim);
      before = Use::kFree;
    }
    mine_ = before == Use::kFree;
    if (mine_ && use == Use::kCall) engine_.caller.store(std::this_thread::get_id());
  }
  Turn(const Turn&) = delete;
  ~Turn() {
    if (!mine_) return;
    engine_.caller.store({});
    engine_.use.store(Use::kFree, std::memory_order_release);
    engine_.use.notify_all();
  }
  bool mine() const { return mine_; }
  Status status() const {
    if (mine_) return {};
    return make_error(Code::kUsage, "engine", kNoOffset, "it is busy with another call; make one call at a time");
  }

 private:
  sluice_engine& engine_;
  bool mine_ = false;
};

inline constexpr size_t kMaxStructBytes = 1 << 20;  // no version will have larger ones: what claims to be is garbage

// The caller's struct may be older (shorter: missing fields keep their defaults) or newer (longer) than ours.
template <class Struct>
Result<Struct> read_struct(const char* function, const Struct* from, Struct defaults) {
  if (from == nullptr) return defaults;
  const size_t size = from->size;
  if (size < sizeof(uint32_t) || size > kMaxStructBytes)
    return make_error(Code::kUsage, function, kNoOffset, "a struct's size field is %zu: set it with its _INIT macro",
                      size);
  std::memcpy(&defaults, from, std::min(size, sizeof(Struct)));
  return defaults;
}

// Fills a caller's struct as far as it reaches, keeping its size field.
template <class Struct>
void write_struct(const Struct& from, Struct* to) {
  if (to == nullptr || to->size < sizeof(uint32_t)) return;
  const uint32_t size = to->size;
  std::memcpy(to, &from, std::min(size_t(size), sizeof(Struct)));
  to->size = size;
}

// Copies into memory of the caller's C library. std::bad_alloc when it has none.
void give_text(std::string_view text, sluice_text* out);

Progress progress_of(sluice_progress_fn progress, void* user);

}  // namespace sluice::door
