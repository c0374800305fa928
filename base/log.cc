// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <cstdarg>
#include <cstdio>

namespace sluice {

namespace {

void print_to_stderr(void*, LogLevel level, const char* text) {
  const char* prefix = level == LogLevel::kError ? "error: " : level == LogLevel::kWarning ? "warning: " : "";
  fprintf(stderr, "sluice: %s%s\n", prefix, text);  // one call, so that lines of two threads do not mix
}

LogSink current_sink = print_to_stderr;
void* current_user = nullptr;
LogLevel current_level = LogLevel::kWarning;

}  // namespace

void set_log(LogSink sink, void* user, LogLevel most_verbose) {
  current_sink = sink != nullptr ? sink : print_to_stderr;
  current_user = user;
  current_level = most_verbose;
}

void log(LogLevel level, const char* format, ...) {
  if (level > current_level) return;
  char text[2048];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  current_sink(current_user, level, text);
}

}  // namespace sluice
