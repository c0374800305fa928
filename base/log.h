// SPDX-License-Identifier: Apache-2.0
// Messages for people, on stderr unless a sink is set. Never prompts or answers.
#pragma once

namespace sluice {
enum class LogLevel { kError, kWarning, kInfo, kDebug };
using LogSink = void (*)(void* user, LogLevel level, const char* text);

// Process-wide; call before threads start. A null sink restores stderr, where until then warnings and errors appear.
void set_log(LogSink sink, void* user, LogLevel most_verbose);
void log(LogLevel level, const char* format, ...) __attribute__((format(printf, 2, 3)));
}  // namespace sluice
