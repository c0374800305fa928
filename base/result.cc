// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

#include <cstdarg>
#include <cstdio>

namespace sluice {

std::string Error::text() const {
  std::string s = place;
  if (offset != kNoOffset) s += (s.empty() ? "byte " : " at byte ") + std::to_string(offset);
  return s.empty() ? message : s + ": " + message;
}

Error make_error(Code code, std::string place, uint64_t offset, const char* format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return Error{code, text, std::move(place), offset};
}

}  // namespace sluice
