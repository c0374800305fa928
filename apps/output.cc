// SPDX-License-Identifier: Apache-2.0
#include "output.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>

#include "looks.h"
#include "signals.h"
#include "sluice/sluice.hpp"

namespace sluice {

namespace {
int output_errno = 0;
bool quiet_notes = false;
}  // namespace

bool put(std::string_view text) {
  while (!output_errno && !text.empty()) {
    const ssize_t n = write(STDOUT_FILENO, text.data(), text.size());
    if (n >= 0) {
      text.remove_prefix(size_t(n));
    } else if (errno != EINTR) {
      output_errno = errno;
    } else if (interrupted()) {
      return false;  // nobody reads, and the user wants to stop
    }
  }
  return !output_errno;
}

bool output_broken() { return output_errno != 0; }

int finish_output(int code) {
  if (!output_errno && (fflush(stdout) != 0 || (fclose(stdout) != 0 && errno != EBADF))) output_errno = errno;
  if (!output_errno) return code;
  if (output_errno == EPIPE) {  // the reader had enough: die as a program dies that did not look
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
  }
  return complain(kFailed, std::string("standard output: ") + strerror(output_errno));
}

void set_quiet(bool quiet) { quiet_notes = quiet; }
bool is_quiet() { return quiet_notes; }

void note_lines(std::string_view text) {
  if (quiet_notes) return;
  const std::string lines = styled(stderr, Style::kDim, printable(text)) + "\n";
  fwrite(lines.data(), 1, lines.size(), stderr);
}

void note(std::string_view text) { note_lines(one_line(text)); }

int complain(int code, std::string_view text) {
  const std::string line = styled(stderr, Style::kRed, "sluice:") + " " + one_line(text) + "\n";
  fwrite(line.data(), 1, line.size(), stderr);
  return code;
}

int complain(const sluice_error& error) {
  if (error.status == SLUICE_CANCELLED) return interrupt_exit_code();
  const int code = error.status == SLUICE_NO_MEMORY ? int(kFailed) : int(error.status);
  return complain(code, describe(error));
}

int complain(const Error& error) {
  if (error.code == Code::kCancelled) return interrupt_exit_code();
  return complain(error.code == Code::kNoMemory ? int(kFailed) : int(error.code), error.text());
}

}  // namespace sluice
