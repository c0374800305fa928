// SPDX-License-Identifier: Apache-2.0
#include "runtime/door/handles.h"

#include <algorithm>
#include <cstdlib>

namespace sluice::door {
namespace {

sluice_status status_of(Code code) {
  switch (code) {
    case Code::kFailed: return SLUICE_FAILED;
    case Code::kUsage: return SLUICE_USAGE;
    case Code::kBadModel: return SLUICE_BAD_MODEL;
    case Code::kNoFit: return SLUICE_NO_FIT;
    case Code::kNoDevice: return SLUICE_NO_DEVICE;
    case Code::kNetwork: return SLUICE_NETWORK;
    case Code::kCancelled: return SLUICE_CANCELLED;
    case Code::kNoMemory: return SLUICE_NO_MEMORY;
  }
  return SLUICE_FAILED;
}

// Cut at a code point's border.
template <size_t n>
void copy_text(std::string_view from, char (&to)[n]) {
  size_t length = std::min(from.size(), n - 1);
  if (length < from.size())
    while (length > 0 && (static_cast<unsigned char>(from[length]) & 0xC0) == 0x80) --length;
  std::memcpy(to, from.data(), length);
  to[length] = '\0';
}

sluice_status fill(sluice_status status, uint64_t offset, std::string_view place, std::string_view message,
                   sluice_error* out) {
  if (out == nullptr || out->size < sizeof(sluice_error)) return status;
  out->status = status;
  out->offset = offset;
  copy_text(place, out->place);
  copy_text(message, out->message);
  return status;
}

}  // namespace

sluice_status report(const Error& error, sluice_error* out) {
  return fill(status_of(error.code), error.offset, error.place, error.message, out);
}

sluice_status report_no_memory(sluice_error* out) {
  return fill(SLUICE_NO_MEMORY, UINT64_MAX, "", "the system refused an allocation", out);
}

sluice_status report_foreign_exception(sluice_error* out) {
  return fill(SLUICE_FAILED, UINT64_MAX, "", "an exception came out of a callback", out);
}

void give_text(std::string_view text, sluice_text* out) {
  char* data = static_cast<char*>(std::malloc(text.size() + 1));
  if (data == nullptr) throw std::bad_alloc();
  std::memcpy(data, text.data(), text.size());
  data[text.size()] = '\0';
  *out = {data, text.size()};
}

Progress progress_of(sluice_progress_fn progress, void* user) {
  if (progress == nullptr) return nullptr;
  return [progress, user](uint64_t done, uint64_t total) { return progress(user, done, total); };
}

}  // namespace sluice::door
