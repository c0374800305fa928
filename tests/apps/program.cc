// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>

namespace sluice {

namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

bool handles_interrupts(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("SigCgt:", 0) == 0) return strtoull(line.c_str() + 7, nullptr, 16) >> (SIGINT - 1) & 1;
  }
  return false;
}

// Moves what can be moved without waiting long; false at the end of the stream.
bool pump_in(int fd, std::string& to) {
  char buffer[65536];
  const ssize_t n = read(fd, buffer, sizeof buffer);
  if (n > 0) to.append(buffer, size_t(n));
  return n > 0;
}

void close_and_forget(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

Ran run_sluice(const std::vector<std::string>& arguments, const Setting& setting) {
  signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> words = {SLUICE_PROGRAM}, variables;
  words.insert(words.end(), arguments.begin(), arguments.end());
  if (const char* path = getenv("PATH")) variables.push_back(std::string("PATH=") + path);
  for (const auto& [name, value] : setting.environment) variables.push_back(name + "=" + value);

  int in[2], out[2], err[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) return {};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  if (setting.output_file.empty()) {
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  } else {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, setting.output_file.c_str(), O_WRONLY | O_CREAT, 0600);
  }
  posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t all, none;
  sigfillset(&all), sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);

  if (setting.close_output) close_and_forget(out[0]);
  rlimit usual{};
  getrlimit(RLIMIT_FSIZE, &usual);
  const rlimit limited{setting.file_limit ? setting.file_limit : usual.rlim_cur, usual.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limited);  // inherited by the program
  pid_t pid = -1;
  const int failed =
      posix_spawn(&pid, SLUICE_PROGRAM, &actions, &attributes, pointers(words).data(), pointers(variables).data());
  setrlimit(RLIMIT_FSIZE, &usual);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(in[0]), close(out[1]), close(err[1]);
  Ran ran;
  if (failed) {
    close_and_forget(in[1]), close_and_forget(out[0]), close_and_forget(err[0]);
    ran.err = "cannot start " SLUICE_PROGRAM;
    return ran;
  }

  fcntl(in[1], F_SETFL, O_NONBLOCK);
  size_t written = 0;
  bool watching = bool(setting.watch), killed = false;
  const auto begin = Clock::now();
  while (out[0] >= 0 || err[0] >= 0) {
    if (in[1] >= 0 && written == setting.input.size() && !setting.keep_input_open) close_and_forget(in[1]);
    pollfd polls[] = {
        {out[0], POLLIN, 0}, {err[0], POLLIN, 0}, {written < setting.input.size() ? in[1] : -1, POLLOUT, 0}};
    poll(polls, 3, 20);
    if (polls[0].revents && !pump_in(out[0], ran.out)) close_and_forget(out[0]);
    if (polls[1].revents && !pump_in(err[0], ran.err)) close_and_forget(err[0]);
    if (polls[2].revents) {
      const ssize_t n = write(in[1], setting.input.data() + written, setting.input.size() - written);
      if (n > 0) written += size_t(n);
      if (n <= 0) close_and_forget(in[1]), written = setting.input.size();
    }
    if (watching && handles_interrupts(pid)) {
      if (const int number = setting.watch(ran.out, ran.err)) kill(pid, number), watching = false;
    }
    if (!killed && Clock::now() - begin > std::chrono::seconds(setting.timeout_s)) {
      kill(pid, SIGKILL);
      killed = true;
      ran.err += "[killed: it ran for too long]";
    }
  }
  close_and_forget(in[1]);
  int status = 0;
  rusage used{};
  while (wait4(pid, &status, 0, &used) < 0 && errno == EINTR) {
  }
  ran.peak_bytes = uint64_t(used.ru_maxrss) * 1024;
  if (WIFEXITED(status)) ran.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ran.signal = WTERMSIG(status);
  return ran;
}

}  // namespace sluice
