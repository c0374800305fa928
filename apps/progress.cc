// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "looks.h"
#include "output.h"
#include "signals.h"

namespace sluice {

namespace {

constexpr double kRedraw = 0.08;  // seconds between two drawings
constexpr int kBarWidth = 24;

std::string bar(double share) {
  static constexpr const char* kEighths[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  std::string out;
  if (!has_utf8()) {
    const int full = int(share * kBarWidth);
    return "[" + std::string(full, '#') + std::string(kBarWidth - full, '.') + "]";
  }
  const int eighths = int(share * kBarWidth * 8);
  for (int i = 0; i < eighths / 8; ++i) out += "█";
  out += kEighths[eighths % 8];
  const int used = eighths / 8 + (eighths % 8 != 0);
  return styled(stderr, Style::kCyan, out) + styled(stderr, Style::kDim, [&] {
           std::string rest;
           for (int i = used; i < kBarWidth; ++i) rest += "░";
           return rest;
         }());
}

std::string time_left(double seconds) {
  if (!std::isfinite(seconds) || seconds > 360000) return "";
  const int s = int(seconds + 0.5);
  char text[32];
  snprintf(text, sizeof text, s < 3600 ? "%d:%02d left" : "%d:%02d:%02d left", s < 3600 ? s / 60 : s / 3600,
           s < 3600 ? s % 60 : s / 60 % 60, s % 60);
  return text;
}

}  // namespace

Progress::Progress(std::string label, ProgressUnit unit, double delay_s, std::string pipe_line)
    : label_(std::move(label)), pipe_line_(std::move(pipe_line)), unit_(unit), delay_s_(delay_s) {}

double Progress::seconds() const { return std::chrono::duration<double>(Clock::now() - begin_).count(); }

bool Progress::update(uint64_t done, uint64_t total) {
  if (!is_quiet() && !is_terminal(stderr) && !pipe_line_.empty()) {
    note(pipe_line_);
    pipe_line_.clear();
  }
  const Clock::time_point now = Clock::now();
  if (!is_quiet() && is_terminal(stderr) && seconds() >= delay_s_ &&
      std::chrono::duration<double>(now - last_).count() >= kRedraw) {
    last_ = now;
    draw(done, total);
  }
  return !interrupted();
}

void Progress::draw(uint64_t done, uint64_t total) {
  const double share = total ? std::min(1.0, double(done) / double(total)) : 0;
  const double rate = double(done) / std::max(seconds(), 1e-6);
  std::string text;
  if (unit_ == ProgressUnit::kBytes) {
    text = human_bytes(done) + " of " + human_bytes(total) + "  " + human_bytes(uint64_t(rate)) + "/s";
  } else {
    text = grouped(done) + " of " + grouped(total) + "  " + human_number(rate) + " tok/s";
  }
  text += "  " + time_left((double(total) - double(done)) / rate);
  char percent[16];
  snprintf(percent, sizeof percent, " %3.0f %%  ", std::floor(share * 100));
  const std::string label = printable(label_);
  const size_t width = size_t(terminal_width());
  std::string line = label + "  ";
  if (display_width(label) + 2 + kBarWidth + 8 < width) line += bar(share) + percent;
  const size_t used = display_width(label) + 2 + kBarWidth + 8;
  if (used + display_width(text) < width) line += text;
  fprintf(stderr, "\r\033[K%s", line.c_str());
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) fputs("\r\033[K", stderr);
  drawn_ = false;
}

}  // namespace sluice
