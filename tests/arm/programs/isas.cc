// SPDX-License-Identifier: Apache-2.0
// isas NAME…: the CPU this runs on has exactly these paths, best last; every other one is refused by its name, with the
// list of those that would do, and SLUICE_ISA obeys the same rule.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "backends/backend.h"

namespace {

using namespace sluice;

int failures = 0;

void expect(bool holds, const std::string& what) {
  std::printf("%s %s\n", holds ? "ok     " : "FAILED ", what.c_str());
  failures += !holds;
}

std::string joined(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + name;
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> wanted(argv + 1, argv + argc), found = cpu_isas();
  expect(found == wanted, "the paths are " + joined(wanted) + "; found: " + joined(found));
  auto pool = ThreadPool::create(1);
  expect(pool.ok(), "a thread pool");
  if (!pool.ok() || wanted.empty()) return 1;
  unsetenv("SLUICE_ISA");
  auto best = create_backend("cpu", **pool);
  expect(best.ok() && (*best)->info().isa == wanted.back(), "the last is chosen");
  for (const char* name : {"scalar", "neon", "dotprod", "i8mm", "avx2", "avxvnni", "avx512vnni"}) {
    setenv("SLUICE_ISA", name, 1);
    auto forced = create_backend("cpu", **pool);
    if (std::find(wanted.begin(), wanted.end(), name) != wanted.end())
      expect(forced.ok() && (*forced)->info().isa == name, std::string("SLUICE_ISA=") + name + " is obeyed");
    else
      expect(!forced.ok() && forced.error().code == Code::kNoDevice &&
                 forced.error().message.find(joined(wanted)) != std::string::npos,
             std::string("SLUICE_ISA=") + name + " is refused");
  }
  return failures != 0;
}
