// SPDX-License-Identifier: Apache-2.0
#include "line_input.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "looks.h"
#include "signals.h"

namespace sluice {

namespace {

constexpr const char* kQuotes = "\"\"\"";

class PlainLines : public LineSource {
 public:
  LineStatus read(const std::string& prompt, std::string& line) override {
    if (is_terminal(stdin)) fputs(prompt.c_str(), stderr);
    line.clear();
    for (;;) {
      const size_t newline = buffer_.find('\n', searched_);
      if (newline != std::string::npos) {
        line = buffer_.substr(0, newline);
        buffer_.erase(0, newline + 1);
        searched_ = 0;
        return LineStatus::kLine;
      }
      searched_ = buffer_.size();
      if (searched_ > kMostMessageBytes) {
        buffer_.clear();
        searched_ = 0;
        return LineStatus::kTooLong;
      }
      char chunk[4096];
      const ssize_t n = ::read(STDIN_FILENO, chunk, sizeof chunk);
      if (interrupted()) return LineStatus::kInterrupted;
      if (n < 0 && errno == EINTR) continue;
      if (n > 0) {
        buffer_.append(chunk, size_t(n));
        continue;
      }
      line.swap(buffer_);
      buffer_.clear();
      searched_ = 0;
      return line.empty() ? LineStatus::kEnd : LineStatus::kLine;
    }
  }

 private:
  std::string buffer_;
  size_t searched_ = 0;
};

}  // namespace

std::unique_ptr<LineSource> plain_lines() { return std::make_unique<PlainLines>(); }

LineStatus read_message(LineSource& source, std::string& message) {
  const std::string more = styled(stderr, Style::kDim, "… ");
  std::string line;
  message.clear();
  LineStatus status = source.read(styled(stderr, Style::kBold, "> "), line);
  if (status != LineStatus::kLine) {
    message = line;
    return status;
  }
  bool quoted = line.starts_with(kQuotes);
  if (quoted) line.erase(0, 3);
  for (;;) {
    const bool goes_on = quoted ? !line.ends_with(kQuotes) : line.ends_with('\\');
    if (!goes_on || !quoted) line.resize(line.size() - (quoted ? 3 : goes_on ? 1 : 0));
    message += line;
    if (!goes_on) return LineStatus::kLine;
    message += '\n';
    if (message.size() > kMostMessageBytes) return LineStatus::kTooLong;
    status = source.read(more, line);
    if (status == LineStatus::kInterrupted || status == LineStatus::kTooLong) return status;
    if (status == LineStatus::kEnd) return LineStatus::kLine;  // what there is of it
  }
}

}  // namespace sluice
