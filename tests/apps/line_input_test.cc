// SPDX-License-Identifier: Apache-2.0
#include "line_input.h"

#include <vector>

#include "looks.h"
#include "support/catch.h"

namespace sluice {
namespace {

class Lines : public LineSource {
 public:
  explicit Lines(std::vector<std::string> lines) : lines_(std::move(lines)) {}
  LineStatus read(const std::string&, std::string& line) override {
    if (next_ == lines_.size()) return LineStatus::kEnd;
    line = lines_[next_++];
    return LineStatus::kLine;
  }

 private:
  std::vector<std::string> lines_;
  size_t next_ = 0;
};

std::vector<std::string> messages(std::vector<std::string> lines) {
  Lines source(std::move(lines));
  std::vector<std::string> all;
  std::string message;
  while (read_message(source, message) == LineStatus::kLine) all.push_back(message);
  return all;
}

using List = std::vector<std::string>;

}  // namespace

TEST_CASE("a line is a message, and a backslash at its end goes on", "[apps]") {
  CHECK(messages({"one", "two"}) == List{"one", "two"});
  CHECK(messages({"one\\", "two\\", "three", "four"}) == List{"one\ntwo\nthree", "four"});
  CHECK(messages({"open\\"}) == List{"open\n"});
}

TEST_CASE("lines between triple quotes are one message", "[apps]") {
  CHECK(messages({"\"\"\"one", "two\\", "three\"\"\"", "four"}) == List{"one\ntwo\\\nthree", "four"});
  CHECK(messages({"\"\"\"", "one", "\"\"\""}) == List{"\none\n"});
  CHECK(messages({"\"\"\"one\"\"\""}) == List{"one"});
  CHECK(messages({"\"\"\"open", "end"}) == List{"open\nend\n"});
}

TEST_CASE("text for a terminal loses control characters and keeps the rest", "[apps]") {
  CHECK(printable("a\tb\n\x1b[31mred\x07\x7f\r") == "a\tb\n[31mred");
  CHECK(printable("\xc2\x9b"
                  "31m \xc2\xa0 \xc3\xa9 \xf0\x9f\x98\x81") == "31m \xc2\xa0 \xc3\xa9 \xf0\x9f\x98\x81");
}

TEST_CASE("a message is one line that ends, in the direction it is written", "[apps]") {
  CHECK(one_line("a\nsluice: b\tc\x1b[m") == "a sluice: b c[m");
  CHECK(one_line("x\u202Eelif\u2066\u2069\u200E\u200F\u061C\u2028\u2029y") == "xelify");
  CHECK(one_line("\u00E9\u2026\u2030\u20AC\u2065") == "\u00E9\u2026\u2030\u20AC\u2065");
  CHECK(one_line(std::string(kMostLineBytes, 'y')) == std::string(kMostLineBytes, 'y'));
  CHECK(one_line(std::string(kMostLineBytes + 1, 'y')) == std::string(kMostLineBytes, 'y') + " \u2026");
  CHECK(one_line(std::string(kMostLineBytes - 1, 'y') + "\u00E9") == std::string(kMostLineBytes - 1, 'y') + "\u00E9");
}

TEST_CASE("sizes and numbers read well", "[apps]") {
  CHECK(human_bytes(0) == "0 B");
  CHECK(human_bytes(1023) == "1023 B");
  CHECK(human_bytes(1024) == "1.0 KiB");
  CHECK(human_bytes(512ull << 20) == "512 MiB");
  CHECK(human_bytes(UINT64_MAX) == "16.0 EiB");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1234567) == "1,234,567");
  CHECK(wrapped("aa bb cc dd", 0, 2, 5) == "aa bb\n  cc\n  dd");
  CHECK(table({{"a", "1"}, {"bbb", "22"}}, "lr") == "a     1\nbbb  22\n");
}

}  // namespace sluice
