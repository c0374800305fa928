// SPDX-License-Identifier: Apache-2.0
// main() of test programs that stand without Catch2: [~TAG] … leaves out the cases with these tags, written [like
// this].
#include <cstdio>
#include <cstring>

#include "support/catch.h"

namespace sluice::stand_in {

namespace {

std::vector<const TestCase*>& cases() {
  static std::vector<const TestCase*> list;
  return list;
}

std::vector<std::string> infos;
int n_checks = 0, n_failed = 0;

}  // namespace

TestCase::TestCase(const char* name, const char* tags, void (*body)()) : name(name), tags(tags), body(body) {
  cases().push_back(this);
}

Info::Info(const std::ostream& text) { infos.push_back(static_cast<const std::ostringstream&>(text).str()); }
Info::~Info() { infos.pop_back(); }

void check(bool holds, const char* condition, const char* file, int line) {
  ++n_checks;
  if (holds) return;
  ++n_failed;
  std::printf("%s:%d: FAILED: %s\n", file, line, condition);
  for (const std::string& info : infos) std::printf("  %s\n", info.c_str());
}

static int run(int n_left_out, char** left_out) {
  int n_run = 0;
  for (const TestCase* test : cases()) {
    bool runs = true;
    for (int i = 0; i < n_left_out; ++i) runs &= std::strstr(test->tags, left_out[i] + 1) == nullptr;
    if (!runs) continue;
    std::printf("%s\n", test->name);
    std::fflush(stdout);
    ++n_run;
    try {
      test->body();
    } catch (const EndOfCase&) {
    }
  }
  std::printf("%d cases, %d checks, %d failed\n", n_run, n_checks, n_failed);
  return n_run > 0 && n_checks > 0 && n_failed == 0 ? 0 : 1;
}

}  // namespace sluice::stand_in

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "~[", 2) != 0) {
      std::fprintf(stderr, "usage: %s [~[TAG]] …\n", argv[0]);
      return 2;
    }
  }
  return sluice::stand_in::run(argc - 1, argv + 1);
}
