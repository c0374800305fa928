// SPDX-License-Identifier: Apache-2.0
#include "output.h"

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
  if (output_errno) return false;
  if (fwrite(text.data(), 1, text.size(), stdout) == text.size() && fflush(stdout) == 0) return true;
  if (errno == EINTR) clearerr(stdout);
  output_errno = errno ? errno : EIO;
  return false;
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

void note(std::string_view text) {
  if (quiet_notes) return;
  const std::string line = styled(stderr, Style::kDim, printable(text)) + "\n";
  fwrite(line.data(), 1, line.size(), stderr);
}

int complain(int code, std::string_view text) {
  const std::string line = styled(stderr, Style::kRed, "sluice:") + " " + printable(text) + "\n";
  fwrite(line.data(), 1, line.size(), stderr);
  return code;
}

int complain(const sluice_error& error) {
  if (error.status == SLUICE_CANCELLED) return interrupt_exit_code();
  const int code = error.status == SLUICE_NO_MEMORY ? int(kFailed) : int(error.status);
  return complain(code, describe(error));
}

}  // namespace sluice
