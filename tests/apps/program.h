// SPDX-License-Identifier: Apache-2.0
// Runs the real program as a user would: arguments, standard input, environment, signals; collects what it wrote and
// how it ended. No shell takes part.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sluice {

struct Ran {
  int code = -1;   // exit code; -1 if a signal ended it
  int signal = 0;  // that signal
  std::string out, err;
  uint64_t peak_bytes = 0;  // most memory it held at once (resident set), or what this process holds if that is more
};

struct Setting {
  std::string input;  // standard input; then its end, unless keep_input_open
  bool keep_input_open = false;
  std::map<std::string, std::string> environment;  // added to PATH alone
  std::string output_file;                         // standard output goes there
  unsigned long file_limit = 0;                    // bytes of the largest file it may write; 0: no limit
  bool close_output = false;                       // nobody reads standard output
  int timeout_s = 240;
  // Called a few times a second once the program handles SIGINT; a signal number it returns is sent once, 0: not yet.
  std::function<int(const std::string& out, const std::string& err)> watch;
};

// The program under test is SLUICE_PROGRAM; its arguments begin with the verb.
Ran run_sluice(const std::vector<std::string>& arguments, const Setting& setting = {});

}  // namespace sluice
