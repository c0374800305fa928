// SPDX-License-Identifier: Apache-2.0
// Signals are for the caller's threads: a worker that ran a handler would hold up a whole step. Threads inherit the
// mask of the one that starts them; the caller's own is restored on every way out, a failed allocation included.
#pragma once
#include <signal.h>

namespace sluice {

struct SignalsBlocked {
  sigset_t before;
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
};

}  // namespace sluice
