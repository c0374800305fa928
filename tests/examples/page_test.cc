// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"
#include "support/catch.h"

namespace sluice {

TEST_CASE("docs/embedding.md shows examples/answer.c as it is") {
  const auto page = read_small_file(SLUICE_SOURCE "/docs/embedding.md", 1 << 20);
  const auto program = read_small_file(SLUICE_SOURCE "/examples/answer.c", 1 << 20);
  REQUIRE((page.ok() && program.ok()));
  const size_t begin = program->find("#include");
  REQUIRE(begin != std::string::npos);
  CHECK(page->find("```c\n" + program->substr(begin) + "```\n") != std::string::npos);
}

}  // namespace sluice
