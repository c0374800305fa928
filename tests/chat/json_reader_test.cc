// SPDX-License-Identifier: Apache-2.0
#include "runtime/chat/json_reader.h"

#include <nlohmann/json.hpp>
#include <random>

#include "support/catch.h"

namespace sluice::jinja {
namespace {

// nlohmann's document as a template value: what read_json builds without one.
Value from_document(const nlohmann::ordered_json& json) {
  if (json.is_null()) return Value::none();
  if (json.is_boolean()) return Value::boolean(json.get<bool>());
  if (json.is_string()) return Value::string(json.get<std::string>());
  if (json.is_number_unsigned() && json.get<uint64_t>() > uint64_t(INT64_MAX)) return Value::number(json.get<double>());
  if (json.is_number_integer()) return Value::integer(json.get<int64_t>());
  if (json.is_number()) return Value::number(json.get<double>());
  std::vector<Value> list;
  std::vector<std::pair<Value, Value>> members;
  for (const auto& [key, value] : json.items()) {
    if (json.is_array())
      list.push_back(from_document(value));
    else
      members.emplace_back(Value::string(key), from_document(value));
  }
  return json.is_array() ? make_list(std::move(list)) : make_dict(std::move(members));
}

std::string shown(const Value& v) {
  std::string text;
  REQUIRE(print_json(v, {}, text));
  return text;
}

std::string refusal(std::string_view text, const JsonLimits& limits = {}) {
  const Result<Value> read = read_json(text, limits);
  if (read.ok()) return "no error";
  CHECK(read.error().code == Code::kUsage);
  return read.error().message;
}

std::string nested(size_t n) { return std::string(n, '[') + std::string(n, ']'); }

}  // namespace

TEST_CASE("JSON becomes the values that nlohmann's document has", "[chat][json]") {
  for (const char* text :
       {"null", " true ", "[]", "{}", "-0", "0.1", "1e300", "9223372036854775807", "9223372036854775808",
        "-9223372036854775808", "18446744073709551616", R"("é\u00e9\ud83d\ude00\n\u0000")",
        R"({"b":{"x":[1,[2.5,{"y":[]}],null]},"a":false,"":""})", R"({"a":1,"b":2,"a":{"c":3},"c":4,"a":[5]})"}) {
    INFO(text);
    const Result<Value> read = read_json(text);
    REQUIRE(read.ok());
    CHECK(shown(*read) == shown(from_document(nlohmann::ordered_json::parse(text))));
  }
}

TEST_CASE("damaged JSON is refused exactly where nlohmann's document is", "[chat][json]") {
  const std::string whole =
      R"({"messages":[{"role":"user","content":"é \"x\" \u00e9"},[1,-2.5e3,true,null]],"t":{"k":""}})";
  std::mt19937 random(7);
  size_t n_refused = 0;
  for (int k = 0; k < 20000; ++k) {
    std::string text = whole;
    for (size_t n = 1 + random() % 2; n > 0; --n) {
      const size_t at = random() % text.size();
      if (random() % 2)
        text.erase(at, 1 + random() % 3);
      else
        text[at] = char(random() % 3 ? whole[random() % whole.size()] : char(random()));
    }
    const auto document = nlohmann::ordered_json::parse(text, nullptr, false);
    const Result<Value> read = read_json(text);
    if (read.ok() == document.is_discarded()) FAIL("the two disagree on " << text);
    n_refused += !read.ok();
    if (read.ok() && shown(*read) != shown(from_document(document))) FAIL("different values of " << text);
  }
  CHECK(n_refused > 10000);
  CHECK(n_refused < 20000);
}

TEST_CASE("an error tells the byte", "[chat][json]") {
  const Result<Value> read = read_json(R"({"a": nil})");
  REQUIRE(!read.ok());
  CHECK(read.error().message == "not valid JSON");
  CHECK(read.error().offset == 7);
  CHECK(refusal("") == "not valid JSON");
  CHECK(refusal("[1] 2") == "not valid JSON");
  CHECK(refusal("\"\xFF\"") == "not valid JSON");
  CHECK(refusal("\"\\ud800\"") == "not valid JSON");
  CHECK(refusal("1e999") == "not valid JSON");
}

TEST_CASE("depth, number of values and bytes are bounded at their limits", "[chat][json]") {
  CHECK(refusal(nested(kMaxJsonDepth)) == "no error");
  CHECK(refusal(nested(kMaxJsonDepth + 1)) == "nested more than 100 deep");
  CHECK(refusal(std::string(100000, '[')) == "nested more than 100 deep");
  CHECK(refusal(R"({"a":[1,2]})", {.max_values = 5}) == "no error");
  CHECK(refusal(R"({"a":[1,2]})", {.max_values = 4}) == "more than 4 values");
  CHECK(refusal("[1,2]", {.max_bytes = 5}) == "no error");
  CHECK(refusal("[1,2]", {.max_bytes = 4}) == "5 bytes long, at most 4 are allowed");
}

TEST_CASE("the default number of values is bounded at its limit", "[chat][json]") {
  std::string text = "[0";
  for (uint64_t k = 2; k < kMaxJsonValues; ++k) text += ",0";
  CHECK(refusal(text + "]") == "no error");
  CHECK(refusal(text + ",0]") == "more than 262144 values");
}

TEST_CASE("numbers are read in JSON's way only", "[chat][json]") {
  CHECK(read_number("-12.5e1") == -125);
  CHECK(read_number(" 7 ") == 7);
  for (const char* bad : {"", "1,5", "+1", "0x10", "nan", "true", "[1]", "1 2"}) CHECK(!read_number(bad));
}

}  // namespace sluice::jinja
