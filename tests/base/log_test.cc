// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <string>
#include <vector>

#include "support/catch.h"

namespace sluice {

TEST_CASE("a sink gets what is not more verbose than asked, formatted and cut to a bounded length") {
  std::vector<std::string> lines;
  set_log([](void* user, LogLevel, const char* text) { static_cast<std::vector<std::string>*>(user)->push_back(text); },
          &lines, LogLevel::kWarning);
  log(LogLevel::kError, "%d%%", 5);
  log(LogLevel::kWarning, "careful");
  log(LogLevel::kInfo, "not asked for");
  log(LogLevel::kError, "%s", std::string(10000, 'x').c_str());
  set_log(nullptr, nullptr, LogLevel::kInfo);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0] == "5%");
  CHECK(lines[1] == "careful");
  CHECK(lines[2].size() < 10000);
}

}  // namespace sluice
