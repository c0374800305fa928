// SPDX-License-Identifier: Apache-2.0
// Finds the first stop string in a text that arrives in pieces, and holds back what could be the beginning of one.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

class StopStrings {
 public:
  // Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> strings);

  // Takes the next piece; appends to `out` what certainly is not part of a stop string. True when one was found: then
  // `out` has all text before it, and the rest is dropped. Of several the one that begins first ends the text.
  bool push(std::string_view piece, std::string& out);

  // The end of the text: what was held back comes out, up to a stop string in it (then true).
  bool finish(std::string& out);

 private:
  bool scan(bool more_may_come, std::string& out);

  std::vector<std::string> strings_;
  std::string held_;
};

}  // namespace sluice
