// SPDX-License-Identifier: Apache-2.0
// SLUICE_CHECK: for our own bugs only, always on, never for file contents or arguments from outside.
#pragma once

namespace sluice {
[[noreturn]] void check_failed(const char* file, int line, const char* condition);
}

#define SLUICE_CHECK(condition) \
  ((condition) ? void(0) : ::sluice::check_failed(__FILE__, __LINE__, #condition))
#ifdef NDEBUG
#define SLUICE_DCHECK(condition) void(0)
#else
#define SLUICE_DCHECK(condition) SLUICE_CHECK(condition)
#endif
