// SPDX-License-Identifier: Apache-2.0
// Where the chat's lines come from: a terminal with editing and history, or any standard input. Which line editor there
// is was decided by CMake (libedit, or none).
#pragma once
#include <memory>
#include <string>

namespace sluice {

inline constexpr size_t kMostMessageBytes = size_t{16} << 20;

enum class LineStatus { kLine, kEnd, kInterrupted, kTooLong };  // kTooLong: more than kMostMessageBytes; they are dropped

class LineSource {
 public:
  virtual ~LineSource() = default;
  // One line without its newline. kInterrupted: a signal came (see signals.h); `line` holds what had been typed.
  virtual LineStatus read(const std::string& prompt, std::string& line) = 0;
};

std::unique_ptr<LineSource> plain_lines();
// Editing and history; the history is kept in `history_file` (mode 0600) unless that is empty. Null without an editor.
std::unique_ptr<LineSource> edited_lines(const std::string& history_file);

// A whole message, or what was typed of it before a signal: a line that ends in '\' goes on in the next one, and lines between two """ belong together.
LineStatus read_message(LineSource& source, std::string& message);

}  // namespace sluice
