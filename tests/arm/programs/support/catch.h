// SPDX-License-Identifier: Apache-2.0
// Stands in for tests/support/catch.h where tests run on another processor than the one that builds them: Catch2 3 is a
// library, and the host's is of no use there. Just enough for some of tests/backends; main() is in run_tests.cc.
#pragma once
#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

namespace sluice::stand_in {

struct TestCase {
  TestCase(const char* name, const char* tags, void (*body)());
  const char* name;
  const char* tags;
  void (*body)();
};

// What INFO said in the scopes around, for failures.
struct Info {
  explicit Info(const std::ostream& text);
  ~Info();
};

struct EndOfCase {};  // thrown by REQUIRE, caught in main()

void check(bool holds, const char* condition, const char* file, int line);

template <class... T>
std::ostringstream captured(const char* names, const T&... values) {
  std::ostringstream text;
  text << names << " =";
  ((text << ' ' << values), ...);
  return text;
}

}  // namespace sluice::stand_in

class Approx {
 public:
  explicit Approx(double value) : value_(value) {}
  Approx& epsilon(double e) { return epsilon_ = e, *this; }
  Approx& margin(double m) { return margin_ = m, *this; }
  friend bool operator==(double x, const Approx& a) {
    return std::fabs(x - a.value_) <= std::max(a.margin_, a.epsilon_ * std::fabs(a.value_));
  }

 private:
  double value_, epsilon_ = 1.2e-5, margin_ = 0;
};

#define SLUICE_JOIN_NOW(a, b) a##b
#define SLUICE_JOIN(a, b) SLUICE_JOIN_NOW(a, b)

#define TEST_CASE(name, tags)                                                                                  \
  static void SLUICE_JOIN(test_case_, __LINE__)();                                                             \
  static const sluice::stand_in::TestCase SLUICE_JOIN(register_, __LINE__)(name, tags,                         \
                                                                           SLUICE_JOIN(test_case_, __LINE__)); \
  static void SLUICE_JOIN(test_case_, __LINE__)()

#define INFO(text) const sluice::stand_in::Info SLUICE_JOIN(info_, __LINE__)(std::ostringstream() << text)

#define CAPTURE(...) \
  const sluice::stand_in::Info SLUICE_JOIN(info_, __LINE__)(sluice::stand_in::captured(#__VA_ARGS__, __VA_ARGS__))

#define CHECK(...) sluice::stand_in::check(bool(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)

#define REQUIRE(...)                                                  \
  do {                                                                \
    const bool holds = bool(__VA_ARGS__);                             \
    sluice::stand_in::check(holds, #__VA_ARGS__, __FILE__, __LINE__); \
    if (!holds) throw sluice::stand_in::EndOfCase();                  \
  } while (false)
