// SPDX-License-Identifier: Apache-2.0
#include "runtime/session/stop_strings.h"

#include <algorithm>

#include "runtime/sampling/random.h"
#include "support/catch.h"

namespace sluice {
namespace {

// Pushes a text in pieces; returns what came out, and whether it was stopped.
std::pair<std::string, bool> run(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopStrings stop(stops);
  std::string out;
  for (const std::string& piece : pieces)
    if (stop.push(piece, out)) return {out, true};
  const bool stopped = stop.finish(out);
  return {out, stopped};
}

// The text up to the place where the first stop string begins.
std::pair<std::string, bool> oracle(const std::vector<std::string>& stops, const std::string& text) {
  size_t first = std::string::npos;
  for (const std::string& s : stops)
    if (!s.empty()) first = std::min(first, text.find(s));
  return {text.substr(0, first), first != std::string::npos};
}

}  // namespace

TEST_CASE("a stop string is found across pieces and is not part of the text", "[runtime][stop]") {
  CHECK(run({"\nUser:"}, {"Hello", "\n", "Us", "er: more"}) == std::pair<std::string, bool>{"Hello", true});
  CHECK(run({"END"}, {"E", "N", "D"}) == std::pair<std::string, bool>{"", true});
}

TEST_CASE("what only looked like a stop string comes out", "[runtime][stop]") {
  StopStrings stop({"abcd"});
  std::string out;
  CHECK(!stop.push("xabc", out));
  CHECK(out == "x");
  CHECK(!stop.push("x", out));
  CHECK(out == "xabcx");
  CHECK(!stop.push("ab", out));
  CHECK(!stop.finish(out));
  CHECK(out == "xabcxab");
}

TEST_CASE("no stop strings, or empty ones, hold nothing back", "[runtime][stop]") {
  CHECK(run({}, {"a", "b"}) == std::pair<std::string, bool>{"ab", false});
  StopStrings stop({""});
  std::string out;
  CHECK(!stop.push("abc", out));
  CHECK(out == "abc");
}

TEST_CASE("any cutting into pieces gives the text before the first stop string", "[runtime][stop]") {
  const std::vector<std::vector<std::string>> lists = {
      {"aab"}, {"abab", "ba"}, {"abc", "b"}, {"aaaa", "ab"}, {"cab", "ca", "b"}, {"abcabd"}};
  for (uint64_t seed = 0; seed < 400; ++seed) {
    std::string text;
    for (uint64_t i = 0; i < 14; ++i) text += char('a' + int(uniform_draw(seed, i) * 3));
    for (const auto& stops : lists) {
      std::vector<std::string> pieces;
      for (size_t at = 0, i = 100; at < text.size(); ++i) {
        const size_t n = 1 + size_t(uniform_draw(seed, i) * 4);
        pieces.push_back(text.substr(at, n));
        at += n;
      }
      REQUIRE(run(stops, pieces) == oracle(stops, text));
    }
  }
}

}  // namespace sluice
