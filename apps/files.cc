// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "base/file.h"
#include "output.h"
#include "signals.h"

namespace sluice {

namespace {

// Reads to the end of `fd`; 0 or the errno.
int read_all(int fd, uint64_t limit, std::string& out, bool& too_large) {
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR && !interrupted()) continue;
    if (n < 0) return errno;
    if (n == 0) return 0;
    if (out.size() + size_t(n) > limit) {
      too_large = true;
      return 0;
    }
    out.append(buffer, size_t(n));
  }
}

bool same_file(const std::string& a, const std::string& b) {
  struct stat x, y;
  return stat(a.c_str(), &x) == 0 && stat(b.c_str(), &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

}  // namespace

int read_text(const std::string& path, uint64_t limit, std::string& out) {
  const bool standard_input = path == "-";
  const std::string shown = standard_input ? "standard input" : path;
  const int fd = standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return complain(kUsage, shown + ": cannot open: " + strerror(errno));
  bool too_large = false;
  out.clear();
  const int reason = read_all(fd, limit, out, too_large);
  if (!standard_input) close(fd);
  if (reason && interrupted()) return interrupt_exit_code();
  if (reason) return complain(reason == EISDIR ? kUsage : kFailed, shown + ": cannot read: " + strerror(reason));
  if (too_large) return complain(kUsage, shown + ": larger than " + std::to_string(limit) + " bytes");
  return 0;
}

int read_json(const std::string& path, Json& out) {
  std::string text;
  if (const int code = read_text(path, kMostJsonBytes, text)) return code;
  // Copying and writing a value recurse into it: the depth must be bounded while it is read.
  bool too_deep = false;
  out = Json::parse(text, [&](int depth, Json::parse_event_t event, Json&) {
    const bool opens = event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    too_deep |= opens && depth >= kMostJsonDepth;
    return !too_deep;
  }, false);
  if (too_deep) return complain(kUsage, path + ": nested more than " + std::to_string(kMostJsonDepth) + " deep");
  if (out.is_discarded()) return complain(kUsage, path + ": not valid JSON");
  return 0;
}

int read_messages(const std::string& path, Json& messages, Json& whole) {
  if (const int code = read_json(path, whole)) return code;
  if (whole.is_object() && whole.contains("messages")) {
    messages = whole["messages"];
  } else {
    messages = whole;
    whole = Json::object();
  }
  if (!messages.is_array())
    return complain(kUsage, path + ": expected a list of messages, or an object with \"messages\"");
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json& message = messages[i];
    if (!message.is_object() || !message.contains("role") || !message["role"].is_string()) {
      return complain(kUsage, path + ": message " + std::to_string(i) + " has no text \"role\"");
    }
  }
  return 0;
}

int write_text(const std::string& path, const std::string& text) {
  const Status written = write_small_file(path, std::as_bytes(std::span(text)));
  return written.ok() ? 0 : complain(written.error());
}

uint64_t count_in(const Json& object, const char* key) {
  return object.contains(key) && object[key].is_number_unsigned() ? object[key].get<uint64_t>() : 0;
}

std::string json_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

int check_target(std::string_view verb, const std::string& path, const std::vector<std::string>& inputs) {
  const std::string start = std::string(verb) + ": " + path;
  for (const std::string& input : inputs) {
    if (same_file(input, path)) return complain(kUsage, start + " is the input itself");
  }
  if (is_folder(path)) return complain(kUsage, start + " is a folder; name the file");
  if (is_special(path)) return complain(kUsage, start + " is not a regular file");
  return 0;
}

bool is_folder(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool is_special(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

bool make_folders(const std::string& path) {
  for (size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return false;
    if (slash == std::string::npos) return is_folder(path);
  }
}

}  // namespace sluice
