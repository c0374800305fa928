// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <initializer_list>

#include "base/file.h"

namespace sluice {

namespace {

// `timeout` and terminals that close send one signal twice: what follows within this time is not a second wish.
constexpr long kSecondMs = 100;

void (*clean_up_at_end)() = nullptr;  // set before the handlers are
volatile sig_atomic_t raised = 0, end_at_once = 0;
std::atomic<long> raised_ms{0};
std::atomic<void (*)(void*)> called{nullptr};
std::atomic<void*> called_with{nullptr};

long now_ms() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return long(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

void on_signal(int number) {
  const int saved_errno = errno;
  const bool second = raised && now_ms() - raised_ms.load() > kSecondMs;
  if (end_at_once || second) {
    remove_unfinished_outputs();
    clean_up_at_end();
    _exit(128 + number);
  }
  if (!raised) raised_ms.store(now_ms());
  raised = number;
  if (auto* function = called.load()) function(called_with.load());
  errno = saved_errno;
}

}  // namespace

void catch_signals(void (*clean_up)()) {
  clean_up_at_end = clean_up;
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = on_signal;  // without SA_RESTART: a waiting read or lock returns
    sigaction(number, &action, nullptr);
  }
  for (int number : {SIGPIPE, SIGXFSZ}) signal(number, SIG_IGN);
}

bool interrupted() { return raised != 0; }
void clear_interrupt() { raised = 0; }
int interrupt_exit_code() { return 128 + (raised ? int(raised) : SIGINT); }

SignalCall::~SignalCall() { called.store(nullptr); }

void SignalCall::arm(void (*function)(void*), void* argument) {
  called_with.store(argument);
  called.store(function);
}

SignalsEndAtOnce::SignalsEndAtOnce() {
  end_at_once = 1;
  if (!interrupted()) return;
  clean_up_at_end();
  _exit(interrupt_exit_code());
}

SignalsEndAtOnce::~SignalsEndAtOnce() { end_at_once = 0; }

}  // namespace sluice
