// SPDX-License-Identifier: Apache-2.0
// The two streams: answers on standard output, everything else on standard error.
#pragma once
#include <string_view>

#include "base/result.h"
#include "sluice/sluice.h"

namespace sluice {

// The exit codes of the program.
enum Exit { kOk = 0, kFailed = 1, kUsage = 2, kBadModel = 3, kNoFit = 4, kNoDevice = 5, kInterrupted = 130 };

// Writes at once; false once standard output cannot be written any more, or when a signal came while it was blocked.
bool put(std::string_view text);
bool output_broken();
// Flushes; a failed standard output becomes an exit code, or the quiet death of SIGPIPE. Else returns `code`.
int finish_output(int code);

void set_quiet(bool quiet);
bool is_quiet();
// A line for people, dim on a terminal; nothing under --quiet.
void note(std::string_view text);
void note_lines(std::string_view text);  // a table
// "sluice: TEXT" on standard error, also under --quiet. Returns `code`.
int complain(int code, std::string_view text);
// The same for an error from the library or the converter, with the exit code of its status.
int complain(const sluice_error& error);
int complain(const Error& error);

}  // namespace sluice
