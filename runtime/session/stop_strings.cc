// SPDX-License-Identifier: Apache-2.0
#include "runtime/session/stop_strings.h"

#include <algorithm>

namespace sluice {

StopStrings::StopStrings(std::vector<std::string> strings) : strings_(std::move(strings)) {
  strings_.erase(std::remove(strings_.begin(), strings_.end(), std::string()), strings_.end());
}

bool StopStrings::push(std::string_view piece, std::string& out) {
  held_ += piece;
  return scan(true, out);
}

bool StopStrings::finish(std::string& out) { return scan(false, out); }

// From left to right: at each place a stop string lies whole, or may begin (it reaches the end of what is known), or
// neither; only then is the byte certain. One that may begin is waited for even if a shorter one lies whole further on.
bool StopStrings::scan(bool more_may_come, std::string& out) {
  const std::string_view text = held_;
  bool found = false;
  size_t certain = 0;
  for (; certain < text.size() && !found; ++certain) {
    const std::string_view rest = text.substr(certain);
    bool begins = false;
    for (const std::string& s : strings_) {
      found |= rest.substr(0, s.size()) == s;
      begins |= rest.size() < s.size() && std::string_view(s).substr(0, rest.size()) == rest;
    }
    if (found || (begins && more_may_come)) break;
  }
  out += text.substr(0, certain);
  held_.erase(0, found ? held_.size() : certain);
  return found;
}

}  // namespace sluice
