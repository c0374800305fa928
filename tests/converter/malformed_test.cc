// SPDX-License-Identifier: Apache-2.0
// A collection of broken GGUF files, each refused by its own reason: file, offset and words, without a large
// allocation and without leaving an output. Names of known incidents stand beside the shapes that caused them.
#include <cmath>
#include <filesystem>
#include <functional>

#include "converter/archs/describer.h"
#include "schema/allocation_watch.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

constexpr uint64_t kHuge = ~uint64_t{0};

struct Malformed {
  const char* name;
  const char* reason;  // part of the message
  std::function<std::string()> bytes;
};

// A valid toy, edited.
std::function<std::string()> edited(std::function<void(GgufBuilder&)> change) {
  return [change] {
    GgufBuilder g = toy_gguf({});
    change(g);
    return g.bytes();
  };
}

std::string claimed_text(uint64_t n) {
  std::string payload;
  GgufBuilder::put(payload, n);
  return payload + "abc";
}

std::function<std::string()> with_dims(std::vector<uint64_t> dims, uint32_t type = toy::kF32) {
  return edited([=](GgufBuilder& g) {
    g.find_tensor("blk.0.attn_q.weight").dims = dims;
    g.find_tensor("blk.0.attn_q.weight").type = type;
  });
}

std::function<std::string()> with_key(const char* key, uint32_t type, std::string payload) {
  return edited([=](GgufBuilder& g) { g.raw(key, type, payload); });
}

// The file's bytes with one 64-bit field of the header overwritten.
std::function<std::string()> poked(size_t at, uint64_t value) {
  return [=] {
    std::string bytes = toy_gguf({}).bytes();
    memcpy(bytes.data() + at, &value, sizeof value);
    return bytes;
  };
}

const std::vector<Malformed>& kinds() {
  using namespace gguf_id;
  const auto array = [](uint32_t type, uint64_t n, std::string rest = "") {
    return GgufBuilder::array_head(type, n) + rest;
  };
  static const std::vector<Malformed> all = {
      // ---- preamble
      {"empty file", "the file ends", [] { return std::string(); }},
      {"three bytes", "the file ends", [] { return std::string("GGU"); }},
      {"magic only", "the file ends", [] { return std::string("GGUF"); }},
      {"another magic", "not a GGUF file", edited([](GgufBuilder& g) { g.magic = 0x46554746; })},
      {"the magic in lower case", "not a GGUF file", edited([](GgufBuilder& g) { g.magic = 0x66756767; })},
      {"version 0", "big-endian", edited([](GgufBuilder& g) { g.version = 0; })},
      {"version 1", "GGUF version 1", edited([](GgufBuilder& g) { g.version = 1; })},
      {"version 4", "GGUF version 4", edited([](GgufBuilder& g) { g.version = 4; })},
      {"big-endian version 3", "big-endian", edited([](GgufBuilder& g) { g.version = 3u << 24; })},
      {"24 bytes of header cut to 23", "the file ends", [] { return toy_gguf({}).bytes().substr(0, 23); }},
      // ---- counts (CVE-2024-25664 to 25668: counts times sizes wrapped before the allocation)
      {"tensor count 2^64-1", "tensors, at most", poked(8, kHuge)},
      {"tensor count 2^63", "tensors, at most", poked(8, uint64_t{1} << 63)},
      {"tensor count 2^61, times 8 wraps", "tensors, at most", poked(8, uint64_t{1} << 61)},
      {"tensor count beyond the bytes left", "tensors, at most", [] {
         GgufBuilder g;
         g.claimed_tensors = 1000;
         return g.bytes();
       }},
      {"key count 2^64-1", "keys, at most", poked(16, kHuge)},
      {"key count 2^32", "keys, at most", poked(16, uint64_t{1} << 32)},
      {"key count beyond the bytes left", "keys, at most", [] {
         GgufBuilder g;
         g.claimed_keys = 60000;
         return g.bytes();
       }},
      {"one key more than there are", "", edited([](GgufBuilder& g) { g.claimed_keys = 22; })},
      {"one key fewer than there are", "", edited([](GgufBuilder& g) { g.claimed_keys = 5; })},
      // ---- keys and texts (ggml#1516: a huge length in a tiny file)
      {"key of 2^64-1 bytes", "bytes, at most", [] {
         GgufBuilder g;
         std::string b = g.u32("k", 1).bytes();
         memcpy(b.data() + 24, &kHuge, 8);
         return b;
       }},
      {"key longer than the file", "left", [] {
         std::string b = GgufBuilder().u32("k", 1).bytes();
         const uint64_t n = 60000;
         memcpy(b.data() + 24, &n, 8);
         return b;
       }},
      {"empty key (llama.cpp#24263 class)", "a key is empty", edited([](GgufBuilder& g) { g.u32("", 1); })},
      {"key with a zero byte", "not clean UTF-8", edited([](GgufBuilder& g) { g.u32(std::string("a\0b", 3), 1); })},
      {"key that is not UTF-8", "not clean UTF-8", edited([](GgufBuilder& g) { g.u32("\xc3(", 1); })},
      {"duplicate key", "occurs twice", edited([](GgufBuilder& g) { g.raw_again("general.name", kU8, "x"); })},
      {"value type 13", "unknown type 13", with_key("x", 13, "12345678")},
      {"value type 2^32-1", "unknown type", with_key("x", 0xffffffff, "12345678")},
      {"text of 2^64-1 bytes", "bytes, at most", with_key("x", kText, claimed_text(kHuge))},
      {"text of 2^30 bytes in a small file", "bytes, at most", with_key("x", kText, claimed_text(1 << 30))},
      {"text longer than the file", "left", with_key("x", kText, claimed_text(10 << 20))},
      {"truth value of 2", "truth value of 2", with_key("x", kBool, "\x02")},
      // ---- arrays
      {"array of arrays (gguf-py#27188)", "array of arrays", with_key("x", kArray, array(kArray, 1, array(kU8, 1, "x")))},
      {"array of unknown type", "unknown type 77", with_key("x", kArray, array(77, 1, "x"))},
      {"array of 2^64-1 bytes", "elements", with_key("x", kArray, array(kU8, kHuge))},
      {"array of 2^62 u32, times 4 wraps", "elements", with_key("x", kArray, array(kU32, uint64_t{1} << 62))},
      {"array of 2^61 f64, times 8 wraps", "elements", with_key("x", kArray, array(kF64, uint64_t{1} << 61))},
      {"array of 2^30 texts in a small file", "elements", with_key("x", kArray, array(kText, 1 << 30))},
      {"array of texts whose second is huge", "bytes, at most", with_key("x", kArray, array(kText, 2, claimed_text(3) + claimed_text(kHuge)))},
      // ---- tensors
      {"empty tensor name", "the name of a tensor is empty", edited([](GgufBuilder& g) { g.tensors[3].name = ""; })},
      {"tensor name of 64 bytes", "64 bytes", edited([](GgufBuilder& g) { g.tensors[3].name = std::string(64, 'n'); })},
      {"tensor name with a line feed", "not clean UTF-8", edited([](GgufBuilder& g) { g.tensors[3].name = "a\nb"; })},
      {"duplicate tensor", "occurs twice", edited([](GgufBuilder& g) { g.tensors[3].name = g.tensors[2].name; })},
      {"no dimensions", "0 dimensions", with_dims({})},
      {"five dimensions", "5 dimensions", with_dims({64, 64, 1, 1, 1})},
      {"dimension 0 (llama.cpp#24263: division by zero)", "dimension of 0", with_dims({64, 0})},
      {"first dimension 0", "dimension of 0", with_dims({0, 64})},
      {"negative dimension", "2^63 elements", with_dims({64, kHuge})},
      {"element count wraps to 0 (llama.cpp#27203)", "2^63 elements", with_dims({uint64_t{1} << 32, uint64_t{1} << 32})},
      {"element count wraps to 64", "2^63 elements", with_dims({(uint64_t{1} << 63) + 32, 2})},
      {"byte count wraps (CVE-2025-53630, CVE-2026-27940)", "2^63 bytes", with_dims({uint64_t{1} << 62, 1})},
      {"byte count just below 2^63, padding wraps (GHSA-96jg-mvhq-q7q7)", "beyond the end", with_dims({(uint64_t{1} << 61) - 8, 1})},
      {"four dimensions whose product wraps", "2^63 elements", with_dims({65536, 65536, 65536, 65536})},
      {"type 4, removed from the format", "unknown type 4", with_dims({64, 64}, 4)},
      {"type 2^31", "unknown type", with_dims({64, 64}, 1u << 31)},
      {"a row that is no whole block", "not a multiple of the 32", with_dims({63, 64}, toy::kQ8_0)},
      {"a row that is no whole K block", "not a multiple of the 256", with_dims({128, 32}, toy::kQ4_K)},
      {"offset that is not aligned", "not aligned", edited([](GgufBuilder& g) { g.tensors[2].offset = 17; })},
      {"offset beyond the file (CVE-2026-7482)", "beyond the end", edited([](GgufBuilder& g) { g.tensors[2].offset = 1 << 30; })},
      {"offset near 2^64", "beyond the end", edited([](GgufBuilder& g) { g.tensors[2].offset = kHuge - 31; })},
      {"declared larger than the file (CVE-2026-7482)", "beyond the end", with_dims({64, 1 << 20})},
      {"two tensors in one place", "overlap", edited([](GgufBuilder& g) { g.tensors[2].offset = 0; })},
      {"alignment 0", "power of two", edited([](GgufBuilder& g) { g.u32("general.alignment", 0); })},
      {"alignment 2^31", "power of two", edited([](GgufBuilder& g) { g.u32("general.alignment", 1u << 31); })},
      {"alignment that is a text", "power of two", edited([](GgufBuilder& g) { g.text("general.alignment", "32"); })},
      {"one byte short", "beyond the end", [] {
         std::string b = toy_gguf({}).bytes();
         return b.substr(0, b.size() - 1);
       }},
      // ---- model
      {"no architecture", "general.architecture is missing", edited([](GgufBuilder& g) { g.remove("general.architecture"); })},
      {"architecture that is a number", "expected a text", edited([](GgufBuilder& g) { g.u32("general.architecture", 1); })},
      {"unknown architecture", "are known", edited([](GgufBuilder& g) { g.text("general.architecture", "x"); })},
      {"name that is not UTF-8", "not UTF-8", edited([](GgufBuilder& g) { g.text("general.name", "\xff"); })},
      {"name of 5000 bytes", "longer than", edited([](GgufBuilder& g) { g.text("general.name", std::string(5000, 'n')); })},
      {"0 layers", "block_count", edited([](GgufBuilder& g) { g.u32("llama.block_count", 0); })},
      {"513 layers", "block_count", edited([](GgufBuilder& g) { g.u32("llama.block_count", 513); })},
      {"a layer more than there is", "blk.2.attn_norm.weight is missing", edited([](GgufBuilder& g) { g.u32("llama.block_count", 3); })},
      {"a layer fewer than there is", "has no place", edited([](GgufBuilder& g) { g.u32("llama.block_count", 1); })},
      {"layer count as f32", "expected an integer", edited([](GgufBuilder& g) { g.f32("llama.block_count", 2); })},
      {"width 0", "embedding_length", edited([](GgufBuilder& g) { g.u32("llama.embedding_length", 0); })},
      {"width 2^32-1", "embedding_length", edited([](GgufBuilder& g) { g.u32("llama.embedding_length", 0xffffffff); })},
      {"0 heads", "head_count", edited([](GgufBuilder& g) { g.u32("llama.attention.head_count", 0); })},
      {"heads that do not divide the width", "does not divide", edited([](GgufBuilder& g) { g.u32("llama.attention.head_count", 5); })},
      {"heads of more channels than a strip may have", "channels", edited([](GgufBuilder& g) { g.u32("llama.attention.head_count", 4096).u32("llama.attention.key_length", 66); })},
      {"0 key-value heads", "head_count_kv", edited([](GgufBuilder& g) { g.u32("llama.attention.head_count_kv", 0); })},
      {"heads as an array that is too long", "elements", edited([](GgufBuilder& g) { g.numbers("llama.attention.head_count", kI32, std::vector<int32_t>(1000, 4)); })},
      {"odd head size", "odd head size", edited([](GgufBuilder& g) { g.u32("llama.attention.key_length", 15).u32("llama.attention.value_length", 15); })},
      {"rotation of more than the head", "dimension_count", edited([](GgufBuilder& g) { g.u32("llama.rope.dimension_count", 18); })},
      {"epsilon not a number", "not a finite number", edited([](GgufBuilder& g) { g.f32("llama.attention.layer_norm_rms_epsilon", NAN); })},
      {"epsilon that vanishes in float32", "epsilon", edited([](GgufBuilder& g) { g.number("llama.attention.layer_norm_rms_epsilon", kF64, 1e-300); })},
      {"negative frequency base", "freq_base", edited([](GgufBuilder& g) { g.f32("llama.rope.freq_base", -1); })},
      {"infinite frequency base", "finite", edited([](GgufBuilder& g) { g.f32("llama.rope.freq_base", INFINITY); })},
      {"attention scale beyond float32", "attention.scale", edited([](GgufBuilder& g) { g.number("llama.attention.scale", kF64, 1e300); })},
      {"attention scale below float32", "attention.scale", edited([](GgufBuilder& g) { g.number("llama.attention.scale", kF64, 1e-300); })},
      {"soft cap beyond float32", "softcapping", edited([](GgufBuilder& g) { g.number("llama.final_logit_softcapping", kF64, 1e300); })},
      {"yarn of factor 0 in a context of 0", "", edited([](GgufBuilder& g) { g.text("llama.rope.scaling.type", "yarn").u32("llama.rope.scaling.original_context_length", 0); })},
      {"rotation factors of 0", "not positive", edited([](GgufBuilder& g) { g.tensor("rope_freqs.weight", {8}, toy::kF32, std::string(32, 0)); })},
      {"rotation factors of another length", "expected [8]", edited([](GgufBuilder& g) { g.tensor("rope_freqs.weight", {9}, toy::kF32, std::string(36, 1)); })},
      {"a tensor in place of a vector", "has the shape", edited([](GgufBuilder& g) { g.find_tensor("output_norm.weight").dims = {8, 8}; })},
      {"three-dimensional matrix", "has the shape", edited([](GgufBuilder& g) { g.find_tensor("blk.0.attn_q.weight").dims = {64, 32, 2}; })},
      {"a part of a split model with another name", "split.no is missing", edited([](GgufBuilder& g) { g.number("split.count", kU16, uint16_t(3)); })},
      // ---- vocabulary (CVE-2025-49847, CVE-2025-52566: lengths cast to int)
      {"no vocabulary", "tokenizer.ggml.model is missing", edited([](GgufBuilder& g) { g.remove("tokenizer.ggml.model"); })},
      {"vocabulary of integers (llama.cpp#26690)", "array of u8", edited([](GgufBuilder& g) { g.numbers("tokenizer.ggml.tokens", kU8, std::vector<uint8_t>(320)); })},
      {"empty vocabulary", "1 to", edited([](GgufBuilder& g) { g.texts("tokenizer.ggml.tokens", {}); })},
      {"token types of u8 that lie (llama.cpp#26690)", "unknown type", edited([](GgufBuilder& g) { g.numbers("tokenizer.ggml.token_type", kU8, std::vector<uint8_t>(320, 200)); })},
      {"token types as floats (llama.cpp#26690)", "array of f32", edited([](GgufBuilder& g) { g.numbers("tokenizer.ggml.token_type", kF32, std::vector<float>(320)); })},
      {"too few token types", "elements for 320 tokens", edited([](GgufBuilder& g) { g.numbers("tokenizer.ggml.token_type", kI32, std::vector<int32_t>(319, 1)); })},
      {"merges that are numbers", "array of u32", edited([](GgufBuilder& g) { g.numbers("tokenizer.ggml.merges", kU32, std::vector<uint32_t>(3)); })},
      {"BOS that is a text", "not a token id", edited([](GgufBuilder& g) { g.text("tokenizer.ggml.bos_token_id", "1"); })},
      {"a token of 64 KiB and a byte", "65537 bytes", edited([](GgufBuilder& g) {
         std::vector<std::string> tokens(320, "t");
         tokens[7] = std::string(65537, 't');
         g.texts("tokenizer.ggml.tokens", tokens);
       })},
      {"chat template that is a number", "expected a text", edited([](GgufBuilder& g) { g.u32("tokenizer.chat_template", 1); })},
      {"temperature below 0", "outside", edited([](GgufBuilder& g) { g.f32("general.sampling.temp", -1); })},
      {"mirostat of a version that is none", "whole number", edited([](GgufBuilder& g) { g.u32("general.sampling.mirostat", 3); })},
      {"a penalty window of half a token", "whole number", edited([](GgufBuilder& g) { g.f32("general.sampling.penalty_last_n", 0.5f); })},
      {"top-p of not-a-number", "finite", edited([](GgufBuilder& g) { g.f32("general.sampling.top_p", NAN); })},
  };
  return all;
}

}  // namespace

TEST_CASE("each kind of malformed GGUF is refused by name, place and reason", "[converter][hostile]") {
  REQUIRE(kinds().size() >= 100);
  TemporaryFolder folder;
  for (const Malformed& kind : kinds()) {
    CAPTURE(kind.name);
    const std::string bytes = kind.bytes();
    GgufBuilder::write_bytes(folder / "m.gguf", bytes);
    const std::string input = folder / "m.gguf", output = folder / "m.slm";
    watch_allocations();
    const auto report = convert_file(input, output);
    const size_t largest = largest_allocation();
    REQUIRE(!report.ok());
    const Error& e = report.error();
    CAPTURE(e.text());
    CHECK(e.code == Code::kBadModel);
    CHECK(e.place == input);
    CHECK(e.message.find(kind.reason) != std::string::npos);
    CHECK((e.offset <= bytes.size() || e.message.find("missing") != std::string::npos));
    CHECK(largest <= (1 << 20) + 4 * bytes.size());
    CHECK(!std::filesystem::exists(output));
  }
}

TEST_CASE("every cut of a model is refused without a large allocation", "[converter][hostile]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.architecture = GENERATE("qwen2", "gemma3");
  const std::string whole = toy_gguf(o).bytes();
  const std::string input = folder / "m.gguf", output = folder / "m.slm";
  for (size_t i = 0; i < 256; ++i) {
    const std::string cut = whole.substr(0, whole.size() * i / 256);
    GgufBuilder::write_bytes(input, cut);
    watch_allocations();
    const auto report = convert_file(input, output);
    if (report.ok()) FAIL("cut at " << cut.size() << " was accepted");
    if (report.error().code != Code::kBadModel || report.error().place != input) FAIL(report.error().text());
    if (largest_allocation() > (1 << 20) + 4 * cut.size()) FAIL("an allocation of " << largest_allocation());
    if (std::filesystem::exists(output)) FAIL("an output was left");
  }
}

TEST_CASE("widths of a model are refused by name only beyond their limits", "[converter][hostile]") {
  TemporaryFolder folder;
  const auto message = [&](const std::vector<std::pair<std::string, uint32_t>>& keys) {
    GgufBuilder g = toy_gguf({});
    for (const auto& [key, value] : keys) g.u32("llama." + key, value);
    g.write(folder / "m.gguf");
    const auto report = convert_file(folder / "m.gguf", folder / "m.slm");
    return report.ok() ? "" : report.error().message;
  };
  const auto names = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  for (const auto& [key, most] :
       {std::pair("embedding_length", kMaxModelWidth), {"feed_forward_length", kMaxFfWidth}}) {
    CAPTURE(key);
    const std::pair<std::string, uint32_t> channels = {"attention.key_length", 16};  // else heads would have to divide
    const std::string at = message({{key, most}, channels}), above = message({{key, most + 1}, channels});
    CHECK(names(at, "has the shape"));
    CHECK(names(above, key));
    CHECK(names(above, std::to_string(most + 1).c_str()));
  }
  const auto channels = [&](uint32_t heads) {
    return message({{"attention.head_count", heads},
                    {"attention.head_count_kv", 1},
                    {"attention.key_length", 1024},
                    {"attention.value_length", 1024},
                    {"rope.dimension_count", 1024}});
  };
  CHECK(!names(channels(kMaxAttentionWidth / 1024), "channels"));
  CHECK(names(channels(kMaxAttentionWidth / 1024 + 1), "more than 262144 channels"));
}

}  // namespace sluice::test
