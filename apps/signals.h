// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGTERM and SIGHUP raise a flag; long work asks for it and unwinds, so nothing half-written stays behind.
#pragma once

namespace sluice {

// Installs the handlers (a signal that was ignored at the start stays ignored) and ignores SIGPIPE.
void catch_signals();
bool interrupted();
void clear_interrupt();
int interrupt_exit_code();  // 130, or 128 + the number of another signal

}  // namespace sluice
