// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace sluice {

void check_failed(const char* file, int line, const char* condition) {
  fprintf(stderr, "sluice: internal error at %s:%d: %s\n", file, line, condition);
  abort();
}

}  // namespace sluice
