// SPDX-License-Identifier: Apache-2.0
// The streaming JSON reader accepts what nlohmann's parser accepts and finds the same values, for well-formed texts and
// for texts with a few bytes changed; windows of the file end anywhere inside a value.
#include <random>

#include "converter/hf_json.h"
#include "safetensors_folder.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

// A random value; texts with every kind of escape.
std::string random_value(Rng& rng, int depth) {
  const auto text = [&] {
    constexpr const char* kParts[] = {"a",   "bc ", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00",
                                      "\\/", "{",   ":",   ",",    "0"};
    std::string s = "\"";
    for (uint64_t n = rng() % 5; n > 0; --n) s += kParts[rng() % std::size(kParts)];
    return s + "\"";
  };
  constexpr const char* kPlain[] = {"0",    "-1",   "12",    "1.5",  "-0.25e2",
                                    "1E-3", "true", "false", "null", "9007199254740993"};
  std::string s;
  switch (depth > 0 ? rng() % 5 : 2 + rng() % 3) {
    case 0:
      for (uint64_t n = rng() % 4; n > 0; --n) s += (s.empty() ? "" : " , ") + random_value(rng, depth - 1);
      return "[ " + s + "]";
    case 1:
      for (uint64_t n = rng() % 4; n > 0; --n) {
        s += (s.empty() ? "" : ",\n") + ("\"k" + std::to_string(n) + "\" : ") + random_value(rng, depth - 1);
      }
      return "{" + s + " }";
    case 2:
      return text();
    default:
      return kPlain[rng() % std::size(kPlain)];
  }
}

// The same value through the reader; false where it refuses.
bool read_value(JsonReader& json, Json& out) {
  const auto kind = json.peek();
  if (!kind.ok()) return false;
  switch (*kind) {
    case JsonKind::kObject:
      out = Json::object();
      return json
          .object([&](std::string_view key) -> Status {
            if (read_value(json, out[std::string(key)])) return {};
            return make_error(Code::kBadModel, "", kNoOffset, "no");
          })
          .ok();
    case JsonKind::kArray:
      out = Json::array();
      return json
          .array([&](uint64_t) -> Status {
            out.push_back(nullptr);
            if (read_value(json, out.back())) return {};
            return make_error(Code::kBadModel, "", kNoOffset, "no");
          })
          .ok();
    case JsonKind::kText: {
      auto text = json.text(1 << 20);
      if (text.ok()) out = *text;
      return text.ok();
    }
    case JsonKind::kNumber: {
      const auto number = json.number();
      if (number.ok()) out = number->is_integer ? Json(number->integer) : Json(number->real);
      return number.ok();
    }
    case JsonKind::kTruth: {
      const auto truth = json.truth();
      if (truth.ok()) out = *truth;
      return truth.ok();
    }
    default:
      out = nullptr;
      return json.skip().ok();
  }
}

}  // namespace

TEST_CASE("the JSON reader agrees with another parser about values and about what is JSON", "[converter][json]") {
  TemporaryFolder place;
  Rng rng(7);
  uint32_t n_good = 0, n_bad = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = random_value(rng, 4);
    if (i % 2 == 1 && !text.empty()) {
      constexpr std::string_view kBytes = "{}[]\",:0e.-\\u x\n";
      for (uint64_t n = 1 + rng() % 2; n > 0; --n) text[rng() % text.size()] = kBytes[rng() % kBytes.size()];
    }
    CAPTURE(text);
    GgufBuilder::write_bytes(place / "x.json", text);
    const InputFile file = InputFile::open(place / "x.json").value();
    const Json expected = Json::parse(text, nullptr, false);
    Json found;
    JsonReader reader(file, 0, file.size()), skipper(file, 0, file.size());
    const bool accepted = read_value(reader, found) && reader.finish().ok();
    REQUIRE(accepted == !expected.is_discarded());
    REQUIRE((skipper.skip().ok() && skipper.finish().ok()) == accepted);
    if (accepted) REQUIRE(found == expected);
    ++(accepted ? n_good : n_bad);
  }
  CHECK(n_good > 1000);
  CHECK(n_bad > 500);
}

TEST_CASE("values that lie across the windows of a file are whole", "[converter][json]") {
  TemporaryFolder place;
  const size_t around = size_t(256 << 10) + size_t(GENERATE(-9, -8, -5, -2, -1, 0, 1));
  const std::string text = "{\"k\":\"" + std::string(around - 6, 'x') + "\\ud83d\\ude00é\",\"n\":12.5}";
  GgufBuilder::write_bytes(place / "x.json", text);
  const auto values = JsonValues::read(place / "x.json");
  REQUIRE(values.ok());
  CHECK(values->text("k") == Json::parse(text)["k"].get<std::string>());
  CHECK(values->find("n")->number.real == 12.5);
}

TEST_CASE("errors in JSON name the byte", "[converter][json]") {
  TemporaryFolder place;
  const auto offset = [&](const std::string& text) {
    GgufBuilder::write_bytes(place / "x.json", text);
    return JsonValues::read(place / "x.json").error().offset;
  };
  CHECK(offset("{\"a\":?}") == 5);
  CHECK(offset("{\"a\":1 \"b\"}") == 7);
  CHECK(offset("{\"a\":[1,2,01]}") == 10);
  CHECK(offset("{\"a\":\"b\nc\"}") == 7);
  CHECK(offset("{\"a\":\"b") == 5);
}

}  // namespace sluice::test
