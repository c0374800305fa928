// SPDX-License-Identifier: Apache-2.0
#include "base/kernel_text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace sluice {

namespace {

constexpr size_t kMaxTextBytes = 1 << 20;

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};

}  // namespace

std::string kernel_text(const std::string& path) {
  std::string text;
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) return text;
  char buffer[4096];
  for (ssize_t n = 0; text.size() < kMaxTextBytes && (n = read(file.fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, size_t(n));
  return text;
}

bool next_line(std::string_view& text, std::string_view& line) {
  if (text.empty()) return false;
  const size_t end = std::min(text.find('\n'), text.size());
  line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return true;
}

}  // namespace sluice
