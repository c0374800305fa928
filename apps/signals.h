// SPDX-License-Identifier: Apache-2.0
// SIGINT, SIGTERM and SIGHUP raise a flag; long work asks for it and unwinds, so nothing half-written stays behind. A
// second signal ends the program on the spot, whatever it is doing.
#pragma once

namespace sluice {

// Installs the handlers (a signal that was ignored at the start stays ignored) and ignores SIGPIPE and SIGXFSZ, so that
// a write that fails is an error like any other. `clean_up` is called when a signal ends the program on the spot, in the
// handler: only what is safe there.
void catch_signals(void (*clean_up)());
bool interrupted();
void clear_interrupt();
int interrupt_exit_code();  // 130, or 128 + the number of another signal

// What a signal calls besides raising the flag, in the handler: only what is safe there. One at a time; none after the
// destructor.
class SignalCall {
 public:
  SignalCall() = default;
  SignalCall(const SignalCall&) = delete;
  ~SignalCall();
  void arm(void (*function)(void*), void* argument);
};

// While it lives, the first signal ends the program at once: for work that cannot ask and leaves nothing half-written.
class SignalsEndAtOnce {
 public:
  SignalsEndAtOnce();
  SignalsEndAtOnce(const SignalsEndAtOnce&) = delete;
  ~SignalsEndAtOnce();
};

}  // namespace sluice
