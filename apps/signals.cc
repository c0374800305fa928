// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <csignal>
#include <initializer_list>

namespace sluice {

namespace {

volatile sig_atomic_t raised = 0;

void raise_flag(int signal_number) { raised = signal_number; }

}  // namespace

void catch_signals() {
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = raise_flag;  // without SA_RESTART: a waiting read or lock returns
    sigaction(number, &action, nullptr);
  }
  signal(SIGPIPE, SIG_IGN);
}

bool interrupted() { return raised != 0; }
void clear_interrupt() { raised = 0; }
int interrupt_exit_code() { return 128 + (raised ? int(raised) : SIGINT); }

}  // namespace sluice
