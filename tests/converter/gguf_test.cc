// SPDX-License-Identifier: Apache-2.0
#include "converter/gguf.h"

#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

// Opens bytes as a file; the message if they are refused, else empty.
std::string refusal(const std::string& bytes) {
  TemporaryFolder folder;
  GgufBuilder::write_bytes(folder / "x.gguf", bytes);
  const auto gguf = Gguf::open(folder / "x.gguf");
  if (gguf.ok()) return "";
  CHECK(gguf.error().code == Code::kBadModel);
  CHECK(gguf.error().place == folder / "x.gguf");
  CHECK(gguf.error().offset <= bytes.size());
  return gguf.error().message;
}
std::string refusal(const GgufBuilder& g) { return refusal(g.bytes()); }

bool says(const std::string& message, const std::string& part) { return message.find(part) != std::string::npos; }

// One f32 tensor of n weights.
GgufBuilder with_tensor(const std::string& name, uint64_t n) {
  GgufBuilder g;
  g.tensor(name, {n}, toy::kF32, std::string(4 * n, 'x'));
  return g;
}

}  // namespace

TEST_CASE("every value type is read back, in both versions", "[converter][gguf]") {
  TemporaryFolder folder;
  GgufBuilder g;
  g.version = GENERATE(2u, 3u);
  g.number("u8", gguf_id::kU8, uint8_t(200)).number("i8", gguf_id::kI8, int8_t(100));
  g.number("u16", gguf_id::kU16, uint16_t(60000)).number("i16", gguf_id::kI16, int16_t(-1));
  g.u32("u32", 4000000000u).number("i32", gguf_id::kI32, int32_t(7)).f32("f32", 0.5f);
  g.boolean("yes", true).boolean("no", false).text("text", "h\xc3\xa4");
  g.number("u64", gguf_id::kU64, uint64_t(1) << 40).number("i64", gguf_id::kI64, int64_t(-5));
  g.number("f64", gguf_id::kF64, 0.25).numbers<float>("reals", gguf_id::kF32, {1, 2}).texts("texts", {"a", "", "ccc"});
  g.numbers<int32_t>("integers", gguf_id::kI32, {3, 4, 5}).numbers<uint8_t>("flags", gguf_id::kBool, {0, 1});
  g.tensor("t", {2, 3}, toy::kF16, std::string(12, 'x')).tensor("u", {32}, toy::kQ8_0, std::string(34, 'y'));
  g.write(folder / "x.gguf");
  const auto opened = Gguf::open(folder / "x.gguf");
  REQUIRE(opened.ok());
  const Gguf& gguf = opened.value();
  CHECK(gguf.version() == g.version);
  CHECK(gguf.integer("u8", 0, 255).value() == 200);
  CHECK(gguf.integer("i8", 0, 255).value() == 100);
  CHECK(gguf.integer("u16", 0, 60000).value() == 60000);
  CHECK(!gguf.integer("u16", 0, 59999).ok());
  CHECK(!gguf.integer("u16", 60001, 70000).ok());
  CHECK(!gguf.integer("i16", 0, 100).ok());
  CHECK(gguf.integer("u32", 0, UINT32_MAX).value() == 4000000000u);
  CHECK(gguf.integer("i32", 7, 7).value() == 7);
  CHECK(!gguf.integer("u64", 0, UINT32_MAX).ok());
  CHECK(!gguf.integer("f32", 0, 10).ok());
  CHECK(!gguf.integer("yes", 0, 10).ok());
  CHECK(!gguf.integer("integers", 0, 10).ok());
  CHECK(!gguf.integer("missing", 0, 10).ok());
  CHECK(gguf.integer("missing", 0, 10, 3).value() == 3);
  CHECK(!gguf.integer("text", 0, 10, 3).ok());  // a wrong type is no missing key
  CHECK(gguf.real("f32").value() == 0.5);
  CHECK(gguf.real("f64").value() == 0.25);
  CHECK(gguf.real("i64").value() == -5);
  CHECK(gguf.real("missing", 1.5).value() == 1.5);
  CHECK(!gguf.real("text").ok());
  CHECK(gguf.truth("yes", false).value());
  CHECK(!gguf.truth("no", true).value());
  CHECK(!gguf.truth("u8", true).ok());
  CHECK(gguf.text("text").value() == "h\xc3\xa4");
  CHECK(!gguf.text("texts").ok());
  CHECK(gguf.text("missing", "d").value() == "d");
  CHECK(gguf.reals("reals", 2).value() == std::vector<float>{1, 2});
  CHECK(!gguf.reals("reals", 1).ok());
  CHECK(gguf.integers("integers", 3).value() == std::vector<uint32_t>{3, 4, 5});
  CHECK(gguf.integers("flags", 3).value() == std::vector<uint32_t>{0, 1});
  CHECK(!gguf.integers("reals", 3).ok());
  std::vector<std::string> texts;
  REQUIRE(gguf.for_each_text("texts",
                             [&](uint64_t i, std::string_view t) -> Status {
                               CHECK(i == texts.size());
                               texts.emplace_back(t);
                               return {};
                             })
              .ok());
  CHECK(texts == std::vector<std::string>{"a", "", "ccc"});
  REQUIRE(gguf.tensors().size() == 2);
  const GgufTensor* t = gguf.find_tensor("t");
  REQUIRE(t != nullptr);
  CHECK(t->shape() == "[2, 3]");
  CHECK(t->bytes == 12);
  CHECK(t->n_rows() == 3);
  CHECK(gguf.find_tensor("u")->offset == t->offset + 32);
  CHECK(gguf.find_tensor("v") == nullptr);
}

TEST_CASE("an array that is longer than one window is read whole", "[converter][gguf]") {
  TemporaryFolder folder;
  GgufBuilder g;
  std::vector<std::string> texts;
  std::vector<float> reals;
  for (int i = 0; i < 100000; ++i)
    texts.push_back(std::to_string(i) + std::string(size_t(i % 7), 'x')), reals.push_back(float(i));
  texts.push_back(std::string(700000, 'y'));  // longer than the window itself
  g.texts("texts", texts).numbers("reals", gguf_id::kF32, reals);
  g.write(folder / "x.gguf");
  const auto gguf = Gguf::open(folder / "x.gguf");
  REQUIRE(gguf.ok());
  bool equal = true;
  REQUIRE(gguf->for_each_text("texts",
                              [&](uint64_t i, std::string_view t) -> Status {
                                equal = equal && t == texts[i];
                                return {};
                              })
              .ok());
  CHECK(equal);
  CHECK(gguf->reals("reals", 100000).value() == reals);
}

TEST_CASE("limits hold at their edges", "[converter][gguf]") {
  SECTION("key") {
    CHECK(refusal(GgufBuilder().u32(std::string(kMaxGgufKeyBytes, 'k'), 1)) == "");
    CHECK(says(refusal(GgufBuilder().u32(std::string(kMaxGgufKeyBytes + 1, 'k'), 1)), "65537 bytes"));
    CHECK(says(refusal(GgufBuilder().u32("", 1)), "a key is empty"));
  }
  SECTION("text") {
    CHECK(refusal(GgufBuilder().text("k", std::string(kMaxGgufTextBytes, 't'))) == "");
    CHECK(says(refusal(GgufBuilder().text("k", std::string(kMaxGgufTextBytes + 1, 't'))), "16777217 bytes"));
  }
  SECTION("number of keys") {
    GgufBuilder g;
    for (uint64_t i = 0; i < kMaxGgufEntries; ++i) g.raw_again(std::to_string(i), gguf_id::kU8, "x");
    CHECK(refusal(g) == "");
    CHECK(says(refusal(g.raw_again("more", gguf_id::kU8, "x")), "65537 keys"));
  }
  SECTION("number of tensors") {
    GgufBuilder g;
    g.alignment = 1;
    g.u32("general.alignment", 1);
    for (uint64_t i = 0; i < kMaxGgufTensors; ++i) g.tensor(std::to_string(i), {1}, 24, "x");
    CHECK(refusal(g) == "");
    CHECK(says(refusal(g.tensor("more", {1}, 24, "x")), "65537 tensors"));
  }
  SECTION("tensor name") {
    CHECK(refusal(with_tensor(std::string(63, 'n'), 4)) == "");
    CHECK(says(refusal(with_tensor(std::string(64, 'n'), 4)), "64 bytes"));
  }
  SECTION("dimensions") {
    GgufBuilder g;
    CHECK(refusal(g.tensor("t", {4, 1, 1, 1}, toy::kF32, std::string(16, 'x'))) == "");
    g.tensors[0].dims = {4, 1, 1, 1, 1};
    CHECK(says(refusal(g), "5 dimensions"));
    g.tensors[0].dims = {};
    CHECK(says(refusal(g), "0 dimensions"));
  }
  SECTION("alignment") {
    for (const uint32_t a : {1u, 2u, 64u, uint32_t(kMaxGgufAlignment)}) {
      GgufBuilder g = with_tensor("t", 4);
      g.alignment = a;
      CHECK(refusal(g.u32("general.alignment", a)) == "");
    }
    for (const uint32_t a : {0u, 3u, 48u, uint32_t(kMaxGgufAlignment) * 2}) {
      CHECK(says(refusal(with_tensor("t", 4).u32("general.alignment", a)), "power of two"));
    }
    CHECK(says(refusal(with_tensor("t", 4).number("general.alignment", gguf_id::kU64, uint64_t(32))), "power of two"));
  }
}

TEST_CASE("a file without tensors may end right after its keys, and tail padding may be missing", "[converter][gguf]") {
  GgufBuilder g;
  g.u32("k", 1);
  CHECK(g.bytes().size() % 32 != 0);
  CHECK(refusal(g) == "");
  const GgufBuilder t = with_tensor("t", 3);
  std::string bytes = t.bytes();
  bytes.resize(bytes.size() - 20);  // 12 bytes of data, 20 of padding
  CHECK(refusal(bytes) == "");
  bytes.pop_back();
  CHECK(says(refusal(bytes), "beyond the end"));
}

TEST_CASE("gaps between tensors are harmless, overlaps are not", "[converter][gguf]") {
  GgufBuilder g = with_tensor("a", 8);
  g.tensor("b", {8}, toy::kF32, std::string(32, 'x')).tensor("c", {8}, toy::kF32, std::string(32, 'x'));
  g.tensors[1].offset = 64;
  g.tensors[2].offset = 32;  // any order
  CHECK(refusal(g) == "");
  g.tensors[2].offset = 64;
  CHECK(says(refusal(g), "overlap"));
}

TEST_CASE("UTF-8 is checked without mercy", "[converter][gguf]") {
  for (const char* good :
       {"", "a", "\xc3\xa4", "\xe2\x96\x81", "\xf0\x9f\x98\x81", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    CHECK(is_utf8(good));
  }
  for (const char* bad : {"\x80", "\xc0\x80", "\xc1\xbf", "\xc3", "\xc3x", "\xe0\x80\x80", "\xe2\x96", "\xed\xa0\x80",
                          "\xf0\x80\x80\x80", "\xf0\x9f\x98", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"}) {
    CHECK(!is_utf8(bad));
  }
}

}  // namespace sluice::test
