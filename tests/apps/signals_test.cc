// SPDX-License-Identifier: Apache-2.0
// What signals do to a program that does not ask for them.
#include "signals.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/file.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice {

namespace {

constexpr int kWentOn = 42;

// The exit code of a process of its own in which `body` runs; kWentOn if body returns.
template <class Body>
int in_child(Body body) {
  const pid_t pid = fork();
  if (pid == 0) {
    for (int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_DFL);
    catch_signals([] {});
    body();
    _exit(kWentOn);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("one signal asks, a second one ends the program on the spot and unfinished outputs with it", "[apps]") {
  TemporaryFolder folder;
  const auto press_twice = [&](int number, unsigned pause_us) {
    return in_child([&] {
      auto output = OutputFile::create(folder / "out");
      raise(number);
      if (!interrupted() || interrupt_exit_code() != 128 + number || !output.ok()) _exit(1);
      usleep(pause_us);
      raise(number);
    });
  };
  CHECK(press_twice(SIGINT, 300000) == 130);
  CHECK(press_twice(SIGTERM, 300000) == 143);
  CHECK(std::filesystem::is_empty(folder.path()));
  CHECK(in_child([] { raise(SIGINT), raise(SIGINT); }) == kWentOn);  // one wish, sent twice
  CHECK(in_child([] {
          raise(SIGINT);
          clear_interrupt();
          usleep(300000);
          raise(SIGINT);
        }) == kWentOn);
}

TEST_CASE("a signal ends at once what cannot ask, also one that came before", "[apps]") {
  CHECK(in_child([] {
          const SignalsEndAtOnce now;
          raise(SIGINT);
        }) == 130);
  CHECK(in_child([] {
          raise(SIGTERM);
          const SignalsEndAtOnce now;
        }) == 143);
  CHECK(in_child([] {
          { const SignalsEndAtOnce over; }
          raise(SIGINT);
        }) == kWentOn);
}

TEST_CASE("a signal calls what was armed, as long as that lives", "[apps]") {
  CHECK(in_child([] {
          static volatile int calls = 0;
          {
            SignalCall call;
            call.arm([](void* by) { calls = calls + *static_cast<int*>(by); }, new int(7));
            raise(SIGINT);
          }
          raise(SIGINT);
          if (calls == 7) _exit(7);
        }) == 7);
}

}  // namespace sluice
