// SPDX-License-Identifier: Apache-2.0
// A collection of broken Hugging Face folders, each refused by its own reason: file, words, place; without a large
// allocation and without leaving an output.
#include <filesystem>
#include <functional>

#include "converter/hf_json.h"
#include "converter/safetensors.h"
#include "safetensors_folder.h"
#include "schema/allocation_watch.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

using Edit = std::function<void(ToyFolder&)>;

struct Malformed {
  const char* name;
  const char* file;    // that the error names
  const char* reason;  // part of the message
  Edit edit;
};

constexpr const char* kWeights = "model.safetensors";
constexpr const char* kConfig = "config.json";
constexpr const char* kTokenizer = "tokenizer.json";
constexpr const char* kIndex = "model.safetensors.index.json";

// The weights' header as JSON, edited.
Edit header(std::function<void(Json&)> change) {
  return [change](ToyFolder& t) {
    Json json = t.weights.header_json();
    change(json);
    t.weights.header = json.dump();
  };
}
Edit header_text(std::function<std::string(std::string)> change) {
  return [change](ToyFolder& t) { t.weights.header = change(t.weights.header_json().dump()); };
}
Edit config(const char* key, Json value) {
  return [=](ToyFolder& t) { t.config[key] = value; };
}
Edit without(const char* key) {
  return [=](ToyFolder& t) { t.config.erase(key); };
}
Edit text(const char* file, std::string contents) {
  return [=](ToyFolder& t) { t.files[file] = contents; };
}
Edit index(Json map) {
  return [=](ToyFolder& t) { t.files[kIndex] = Json{{"weight_map", map}}.dump(); };
}
Edit tokenizer(std::function<void(Json&)> change) {
  return [=](ToyFolder& t) { change(t.tokenizer); };
}
std::string nested(int depth) { return std::string(size_t(depth), '[') + std::string(size_t(depth), ']'); }

constexpr const char* kQ = "model.layers.0.self_attn.q_proj.weight";
constexpr const char* kNorm = "model.norm.weight";

const std::vector<Malformed>& kinds() {
  static const std::vector<Malformed> all = {
      // ---- the container
      {"empty file", kWeights, "too few", text(kWeights, "")},
      {"nine bytes", kWeights, "too few", text(kWeights, "123456789")},
      {"a pickle", kWeights, "more than follow", text(kWeights, "\x80\x02}q\x01(X\x05model and so on")},
      {"header of 2^64-1 bytes", kWeights, "more than follow", [](ToyFolder& t) { t.weights.claimed = ~1ull; }},
      {"header of 2^63 bytes", kWeights, "more than follow", [](ToyFolder& t) { t.weights.claimed = 1ull << 63; }},
      {"header as long as the file", kWeights, "more than follow", [](ToyFolder& t) { t.weights.claimed = t.weights.bytes().size(); }},
      {"header that ends a byte early", kWeights, "ends", [](ToyFolder& t) { t.weights.claimed = t.weights.header_json().dump().size() - 1; }},
      {"header of no bytes", kWeights, "no JSON object", [](ToyFolder& t) { t.weights.claimed = 0; }},
      {"header that is a list", kWeights, "no JSON object", header_text([](std::string s) { return "[" + s + "]"; })},
      {"header that begins with a space", kWeights, "no JSON object", header_text([](std::string s) { return " " + s; })},
      {"something behind the header's object", kWeights, "follows the end", header_text([](std::string s) { return s + "{}"; })},
      {"no comma between tensors", kWeights, "expected", header_text([](std::string s) { return s.insert(s.size() - 1, "\"x\""); })},
      {"deep header", kWeights, "unknown key", header([](Json& h) { h[kQ]["x"] = Json::parse(nested(60)); })},
      {"deeper metadata than allowed", kWeights, "no text", header_text([](std::string s) { return "{\"__metadata__\":{\"a\":" + nested(100000) + "}," + s.substr(1); })},
      {"metadata that is a list", kWeights, "expected", header([](Json& h) { h["__metadata__"] = Json::array(); })},
      {"name of 1025 bytes", kWeights, "1024 bytes", header([](Json& h) { h[std::string(1025, 'n')] = h[kQ]; })},
      {"empty name", kWeights, "empty", header([](Json& h) { h[""] = h[kQ]; })},
      {"name with a line break", kWeights, "control characters", header([](Json& h) { h["a\nb"] = h[kQ]; })},
      {"name that is not UTF-8", kWeights, "not UTF-8", header_text([](std::string s) { return "{\"\xff\":" + s + "," + s.substr(1); })},
      {"the same tensor twice", kWeights, "occurs twice", header_text([](std::string s) { const size_t at = s.find("\"model.norm"); return s.insert(at, s.substr(at, s.find('}', at) + 1 - at) + ","); })},
      {"tensor that is a number", kWeights, "expected", header([](Json& h) { h[kQ] = 3; })},
      {"no dtype", kWeights, "lacks dtype", header([](Json& h) { h[kQ].erase("dtype"); })},
      {"no shape", kWeights, "lacks shape", header([](Json& h) { h[kQ].erase("shape"); })},
      {"no offsets", kWeights, "lacks data_offsets", header([](Json& h) { h[kQ].erase("data_offsets"); })},
      {"two shapes", kWeights, "two keys", header_text([](std::string s) { return s.insert(s.find("\"shape\""), "\"shape\":[1],"); })},
      {"unknown dtype", kWeights, "unknown dtype", header([](Json& h) { h[kQ]["dtype"] = "F31"; })},
      {"dtype that is a number", kWeights, "expected", header([](Json& h) { h[kQ]["dtype"] = 32; })},
      {"dtype twice as wide", kWeights, "does not have", header([](Json& h) { h[kQ]["dtype"] = "F64"; })},
      {"shape twice as large", kWeights, "does not have", header([](Json& h) { h[kQ]["shape"][0] = 128; })},
      {"shape whose size wraps around 2^64", kWeights, "does not have", header([](Json& h) { h[kQ]["shape"] = {1ull << 62, 4, 4, 4, 64}; })},
      {"negative dimension", kWeights, "whole number", header([](Json& h) { h[kQ]["shape"][0] = -64; })},
      {"dimension of 2^63", kWeights, "whole number", header([](Json& h) { h[kQ]["shape"][0] = 1ull << 63; })},
      {"dimension that is a half", kWeights, "whole number", header([](Json& h) { h[kQ]["shape"][0] = 64.5; })},
      {"dimension that is a text", kWeights, "is a text", header([](Json& h) { h[kQ]["shape"][0] = "64"; })},
      {"nine dimensions", kWeights, "more than 8", header([](Json& h) { h[kQ]["shape"] = {1, 1, 1, 1, 1, 1, 1, 64, 64}; })},
      {"three offsets", kWeights, "more than two", header([](Json& h) { h[kQ]["data_offsets"].push_back(0); })},
      {"one offset", kWeights, "fewer than two", header([](Json& h) { h[kQ]["data_offsets"] = {0}; })},
      {"offsets that end before they begin", kWeights, "lies outside", header([](Json& h) { std::swap(h[kQ]["data_offsets"][0], h[kQ]["data_offsets"][1]); })},
      {"offsets beyond the file", kWeights, "lies outside", header([](Json& h) { h[kQ]["data_offsets"] = {1ull << 40, (1ull << 40) + 16384}; })},
      {"offset of 2^63-1", kWeights, "lies outside", header([](Json& h) { h[kQ]["data_offsets"][1] = INT64_MAX; })},
      {"two tensors in one place", kWeights, "overlap", header([](Json& h) { h["model.layers.0.self_attn.o_proj.weight"]["data_offsets"] = h[kQ]["data_offsets"]; })},
      {"bytes that belong to no tensor", kWeights, "belong to no tensor", header([](Json& h) { h.erase(kQ); })},
      {"bytes behind the last tensor", kWeights, "after the last tensor", [](ToyFolder& t) { t.weights.tail = "x"; }},
      {"file that is cut", kWeights, "lies outside", [](ToyFolder& t) { const std::string b = t.weights.bytes(); t.files[kWeights] = b.substr(0, b.size() - 1); }},
      // ---- tensors of a model
      {"integers as weights", kWeights, "F32, F16 and BF16", [](ToyFolder& t) { t.weights.find(kQ).dtype = "I32"; }},
      {"8-bit floats as weights", kWeights, "F8_E4M3", [](ToyFolder& t) { auto& q = t.weights.find(kQ); q.dtype = "F8_E4M3", q.data.resize(64 * 64); }},
      {"a scalar in place of a norm", kWeights, "dimensions", [](ToyFolder& t) { auto& n = t.weights.find(kNorm); n.shape = {}, n.data.resize(4); }},
      {"five dimensions", kWeights, "dimensions", [](ToyFolder& t) { t.weights.find(kQ).shape = {1, 1, 1, 64, 64}; }},
      {"no elements", kWeights, "dimension of 0", [](ToyFolder& t) { auto& q = t.weights.find(kQ); q.shape = {0, 64}, q.data.clear(); }},
      {"transposed matrix", kWeights, "has the shape", [](ToyFolder& t) { t.weights.find("model.layers.1.mlp.up_proj.weight").shape = {64, 96}; }},
      {"tensor nobody asked for", kWeights, "no place", [](ToyFolder& t) { t.weights.tensors.push_back({"model.extra.weight", "F32", {1}, "abcd"}); }},
      {"layer beyond the last", kWeights, "no place", [](ToyFolder& t) { t.weights.tensors.push_back({"model.layers.9.mlp.up_proj.weight", "F32", {1}, "abcd"}); }},
      {"missing tensor", kConfig, "missing", [](ToyFolder& t) { std::erase_if(t.weights.tensors, [](auto& x) { return x.name == kQ; }); }},
      {"one tensor under both of its names", kWeights, "occurs twice", [](ToyFolder& t) { auto q = t.weights.find(kQ); q.name = std::string("language_model.") + kQ; t.weights.tensors.push_back(q); }},
      {"fused matrix that cannot be cut", kWeights, "cannot be cut", [](ToyFolder& t) { t.weights.tensors.push_back({"model.layers.0.self_attn.qkv_proj.weight", "F32", {9}, std::string(36, 'x')}); }},
      {"no head where the file says there is one", kConfig, "lm_head.weight", config("tie_word_embeddings", false)},
      // ---- several files
      {"index of nothing", kIndex, "missing or empty", text(kIndex, "{}")},
      {"index that is a list", kIndex, "expected", text(kIndex, "[]")},
      {"index that is cut", kIndex, "end", text(kIndex, "{\"weight_map\":{\"a\":\"b.safetensors\"")},
      {"index that leads upwards", kIndex, "plain name", index({{kQ, "../../etc/x.safetensors"}})},
      {"index with an absolute path", kIndex, "plain name", index({{kQ, "/etc/x.safetensors"}})},
      {"index with a folder", kIndex, "plain name", index({{kQ, "a/x.safetensors"}})},
      {"index with a backslash", kIndex, "plain name", index({{kQ, "..\\x.safetensors"}})},
      {"index with a hidden file", kIndex, "plain name", index({{kQ, "..safetensors"}})},
      {"index with a zero byte", kIndex, "plain name", index({{kQ, std::string("x\0.safetensors", 14)}})},
      {"index with another kind of file", kIndex, "plain name", index({{kQ, "passwd"}})},
      {"index with a name of 300 bytes", kIndex, "plain name", index({{kQ, std::string(300, 'x') + ".safetensors"}})},
      {"index with an empty name", kIndex, "plain name", index({{kQ, ""}})},
      {"index with a number", kIndex, "expected", index({{kQ, 1}})},
      {"file that is not there", "gone.safetensors", "", index({{kQ, "gone.safetensors"}})},
      {"one of two files is not there", "gone.safetensors", "file 2 of the 2", index({{kQ, kWeights}, {kNorm, "gone.safetensors"}})},
      {"tensor that is not in its file", kIndex, "is not in model.safetensors", index({{"model.gone.weight", kWeights}})},
      {"513 files", kIndex, "more than 511 files", [](ToyFolder& t) { Json map; for (int i = 0; i < 513; ++i) map[std::to_string(i)] = std::to_string(i) + ".safetensors"; index(map)(t); }},
      // ---- config.json
      {"configuration that is no JSON", kConfig, "expected a JSON value", text(kConfig, "hello")},
      {"empty configuration", kConfig, "ends", text(kConfig, "")},
      {"configuration that is a list", kConfig, "expected an object", text(kConfig, "[]")},
      {"configuration that is cut", kConfig, "no end", text(kConfig, "{\"model_type\":\"lla")},
      {"deep configuration", kConfig, "levels deep", text(kConfig, "{\"a\":" + nested(100000) + "}")},
      {"configuration with a key twice", kConfig, "occurs twice", text(kConfig, "{\"a\":1,\"a\":2}")},
      {"configuration of 70000 values", kConfig, "more than 65536 values", [](ToyFolder& t) { t.config["x"] = std::vector<int>(70000); }},
      {"configuration with 5 MiB of text", kConfig, "bytes", [](ToyFolder& t) { t.config["x"] = std::string(5 << 20, 'x'); }},
      {"control character in a text", kConfig, "control character", text(kConfig, "{\"a\":\"\n\"}")},
      {"half a surrogate pair", kConfig, "surrogate", text(kConfig, "{\"a\":\"\\ud800x\"}")},
      {"unknown escape", kConfig, "escape", text(kConfig, "{\"a\":\"\\x41\"}")},
      {"number with a leading zero", kConfig, "no JSON number", text(kConfig, "{\"a\":012}")},
      {"number beyond a double", kConfig, "out of range", text(kConfig, "{\"a\":1e999}")},
      {"not-a-number", kConfig, "expected a JSON value", text(kConfig, "{\"a\":NaN}")},
      {"unknown family", kConfig, "mixtral", config("model_type", "mixtral")},
      {"no family", kConfig, "is missing", without("model_type")},
      {"quantized weights", kConfig, "gptq", config("quantization_config", {{"quant_method", "gptq"}})},
      {"no number of layers", kConfig, "num_hidden_layers is missing", without("num_hidden_layers")},
      {"layers as a text", kConfig, "num_hidden_layers is text, expected an integer", config("num_hidden_layers", "2")},
      {"2^40 layers", kConfig, "num_hidden_layers is 1099511627776", config("num_hidden_layers", 1ull << 40)},
      {"negative width", kConfig, "hidden_size", config("hidden_size", -64)},
      {"heads that do not divide the width", kConfig, "num_attention_heads does not divide", config("num_attention_heads", 5)},
      {"2^60 heads", kConfig, "num_attention_heads", config("num_attention_heads", 1ull << 60)},
      {"epsilon 0", kConfig, "rms_norm_eps", config("rms_norm_eps", 0)},
      {"another activation", kConfig, "hidden_act is \"relu\"", config("hidden_act", "relu")},
      {"frequency base that is a text", kConfig, "rope_theta", config("rope_theta", "big")},
      {"unknown scaling of positions", kConfig, "\"ntk\"", config("rope_scaling", {{"type", "ntk"}})},
      {"scaling by nothing", kConfig, "factor", config("rope_scaling", {{"type", "linear"}, {"factor", 0}})},
      {"scaling of Llama 3 without its numbers", kConfig, "low_freq_factor is missing", config("rope_scaling", {{"type", "llama3"}, {"factor", 8}})},
      {"scaling of Llama 3 with numbers that contradict each other", kConfig, "contradict", config("rope_scaling", {{"type", "llama3"}, {"factor", 8}, {"low_freq_factor", 4}, {"high_freq_factor", 1}})},
      {"long factors without short ones", kConfig, "short_factor is missing", config("rope_scaling", {{"type", "longrope"}, {"long_factor", {1}}})},
      {"too few short factors", kConfig, "short_factor has 1 elements", config("rope_scaling", {{"type", "longrope"}, {"long_factor", {1}}, {"short_factor", {1}}})},
      {"a short factor of 0", kConfig, "short_factor.0", config("rope_scaling", {{"type", "longrope"}, {"long_factor", {1}}, {"short_factor", {0}}})},
      {"more of each head turned than there is", kConfig, "partial_rotary_factor", config("partial_rotary_factor", 1.5)},
      // ---- tokenizer.json and the small files
      {"tokenizer that is no JSON", kTokenizer, "expected", text(kTokenizer, "x")},
      {"tokenizer that is cut", kTokenizer, "end", text(kTokenizer, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0")},
      {"no model", kTokenizer, "has no model", text(kTokenizer, "{}")},
      {"two models", kTokenizer, "occurs twice", text(kTokenizer, "{\"model\":{},\"model\":{}}")},
      {"two of added_tokens", kTokenizer, "the key added_tokens occurs twice", text(kTokenizer, "{\"added_tokens\":[],\"model\":{\"type\":\"BPE\"},\"added_tokens\":[]}")},
      {"two of normalizer", kTokenizer, "the key normalizer occurs twice", text(kTokenizer, "{\"normalizer\":null,\"model\":{\"type\":\"BPE\"},\"normalizer\":null}")},
      {"two of pre_tokenizer", kTokenizer, "the key pre_tokenizer occurs twice", text(kTokenizer, "{\"pre_tokenizer\":null,\"model\":{\"type\":\"BPE\"},\"pre_tokenizer\":null}")},
      {"two of post_processor", kTokenizer, "the key post_processor occurs twice", text(kTokenizer, "{\"post_processor\":null,\"model\":{\"type\":\"BPE\"},\"post_processor\":null}")},
      {"two of decoder", kTokenizer, "the key decoder occurs twice", text(kTokenizer, "{\"decoder\":null,\"model\":{\"type\":\"BPE\"},\"decoder\":null}")},
      {"WordPiece", kTokenizer, "WordPiece", tokenizer([](Json& t) { t["model"]["type"] = "WordPiece"; })},
      {"neither bytes nor pieces", kTokenizer, "neither", tokenizer([](Json& t) { t["pre_tokenizer"] = nullptr, t["decoder"] = nullptr; })},
      {"bytes and pieces", kTokenizer, "both", tokenizer([](Json& t) { t["model"]["byte_fallback"] = true; })},
      {"no vocabulary", kTokenizer, "no vocab", tokenizer([](Json& t) { t["model"].erase("vocab"); })},
      {"no merges", kTokenizer, "no merges", tokenizer([](Json& t) { t["model"].erase("merges"); })},
      {"vocabulary that is a list", kTokenizer, "expected", tokenizer([](Json& t) { t["model"]["vocab"] = {1, 2}; })},
      {"vocabulary of texts", kTokenizer, "an id is a text", tokenizer([](Json& t) { t["model"]["vocab"]["a"] = "x"; })},
      {"negative id", kTokenizer, "whole number", tokenizer([](Json& t) { t["model"]["vocab"]["a"] = -1; })},
      {"id of 2^32", kTokenizer, "whole number", tokenizer([](Json& t) { t["model"]["vocab"]["a"] = 1ull << 32; })},
      {"id beyond the size of the file", kTokenizer, "whole number", tokenizer([](Json& t) { t["model"]["vocab"]["a"] = 4'000'000; })},
      {"two tokens with one id", kTokenizer, "two tokens with the id 98", tokenizer([](Json& t) { t["model"]["vocab"]["a"] = 98; })},
      {"token of 64 KiB and a byte", kTokenizer, "65536 bytes", tokenizer([](Json& t) { t["model"]["vocab"][std::string(65537, 'x')] = 300; })},
      {"merge of one part", kTokenizer, "fewer than two", tokenizer([](Json& t) { t["model"]["merges"] = Json::parse("[[\"a\"]]"); })},
      {"merge of three parts", kTokenizer, "more than two", tokenizer([](Json& t) { t["model"]["merges"] = Json::parse("[[\"a\",\"b\",\"c\"]]"); })},
      {"merge without a space", kTokenizer, "without a space", tokenizer([](Json& t) { t["model"]["merges"] = Json::parse("[\"ab\"]"); })},
      {"merge that is a number", kTokenizer, "expected", tokenizer([](Json& t) { t["model"]["merges"] = Json::parse("[1]"); })},
      {"added token without an id", kTokenizer, "no id", tokenizer([](Json& t) { t["added_tokens"][0].erase("id"); })},
      {"added token without a text", kTokenizer, "no content", tokenizer([](Json& t) { t["added_tokens"][0].erase("content"); })},
      {"added token far out", kTokenizer, "too far out", tokenizer([](Json& t) { t["added_tokens"][0]["id"] = 4'000'000; })},
      {"added token on the id of another", kTokenizer, "of another token", tokenizer([](Json& t) { t["added_tokens"][0]["id"] = 5; })},
      {"prefix of word pieces", kTokenizer, "continuing_subword_prefix", tokenizer([](Json& t) { t["model"]["continuing_subword_prefix"] = "##"; })},
      {"deep tokenizer", kTokenizer, "levels deep", text(kTokenizer, "{\"normalizer\":" + nested(100000) + "}")},
      {"settings that are no JSON", "tokenizer_config.json", "expected", text("tokenizer_config.json", "?")},
      {"template that is a number", "tokenizer_config.json", "chat_template", text("tokenizer_config.json", "{\"chat_template\":1}")},
      {"list of templates without one", "tokenizer_config.json", "without templates", text("tokenizer_config.json", "{\"chat_template\":[1]}")},
      {"template of more than 256 KiB", "chat_template.jinja", "", text("chat_template.jinja", std::string((256 << 10) + 1, 'x'))},
      {"temperature that is a text", "generation_config.json", "temperature", text("generation_config.json", "{\"do_sample\":true,\"temperature\":\"hot\"}")},
      {"temperature below 0", "generation_config.json", "temperature", text("generation_config.json", "{\"do_sample\":true,\"temperature\":-1}")},
  };
  return all;
}

ToyFolder small_folder() {
  ToyFolderOptions o;
  o.model.matrix_type = o.model.embedding_type = toy::kF32;
  return toy_folder(o);
}

}  // namespace

TEST_CASE("each kind of malformed folder is refused by file, place and reason", "[converter][hostile][safetensors]") {
  REQUIRE(kinds().size() >= 120);
  TemporaryFolder place;
  for (const Malformed& kind : kinds()) {
    CAPTURE(kind.name);
    ToyFolder toy = small_folder();
    kind.edit(toy);
    const std::string folder = place / "model", output = place / "m.slm", file = folder + "/" + kind.file;
    toy.write(folder);
    const uint64_t bytes = std::filesystem::exists(file) ? std::filesystem::file_size(file) : 0;
    watch_allocations();
    const auto report = convert_file(folder, output);
    const size_t largest = largest_allocation();
    REQUIRE(!report.ok());
    const Error& e = report.error();
    CAPTURE(e.text());
    CHECK(e.code == Code::kBadModel);
    CHECK(e.place == file);
    CHECK(e.message.find(kind.reason) != std::string::npos);
    CHECK((e.offset <= bytes || e.offset == kNoOffset));
    CHECK(largest <= (1 << 20) + 4 * std::filesystem::file_size(folder + "/config.json") + 16 * bytes);
    CHECK(!std::filesystem::exists(output));
  }
}

TEST_CASE("a JSON file of more than 1 GiB is refused as such, one of 1 GiB is read", "[converter][hostile][safetensors]") {
  TemporaryFolder place;
  const std::string name = GENERATE(kConfig, kIndex, kTokenizer), folder = place / "model", path = folder + "/" + name;
  small_folder().write(folder);
  GgufBuilder::write_bytes(path, "[");
  const auto message = [&](uint64_t size) {
    std::filesystem::resize_file(path, size);  // a hole: it takes no room
    const auto report = convert_file(folder, place / "m.slm");
    REQUIRE(!report.ok());
    CHECK(report.error().place == path);
    return report.error().message;
  };
  CHECK(message(kMaxJsonFileBytes + 1).find("1073741825 bytes of JSON") != std::string::npos);
  CHECK(message(kMaxJsonFileBytes).find("bytes of JSON") == std::string::npos);
}

TEST_CASE("every cut of each file of a folder is refused without a large allocation", "[converter][hostile][safetensors]") {
  TemporaryFolder place;
  const std::string folder = place / "model", name = GENERATE(kConfig, kTokenizer, kWeights);
  const ToyFolder toy = small_folder();
  toy.write(folder);
  const std::string whole = read_small_file(folder + "/" + name, 16 << 20).value();
  for (size_t i = 0; i < 64; ++i) {
    GgufBuilder::write_bytes(folder + "/" + name, whole.substr(0, whole.size() * i / 64));
    watch_allocations();
    const auto report = convert_file(folder, place / "m.slm");
    if (report.ok()) FAIL("a cut of " << name << " was accepted");
    if (report.error().code != Code::kBadModel || report.error().place != folder + "/" + name) FAIL(report.error().text());
    if (largest_allocation() > (1 << 20) + 4 * whole.size()) FAIL("an allocation of " << largest_allocation());
  }
}

TEST_CASE("limits of the folder's files hold at their edge", "[converter][hostile][safetensors]") {
  TemporaryFolder place;
  const auto values_of = [&](const std::string& json) {
    GgufBuilder::write_bytes(place / "x.json", json);
    return JsonValues::read(place / "x.json");
  };
  const auto depth = [&](uint32_t n) { return values_of("{\"a\":" + nested(int(n) - 1) + "}").ok(); };
  CHECK(depth(kMaxJsonDepth));
  CHECK(!depth(kMaxJsonDepth + 1));
  const auto count = [&](size_t n) { return values_of(Json{{"a", std::vector<int>(n - 2)}}.dump()).ok(); };
  CHECK(count(kMaxJsonValues));
  CHECK(!count(kMaxJsonValues + 1));
  const auto bytes = [&](size_t n) { return values_of(Json{{"a", std::string(n - 1, 'x')}}.dump()).ok(); };
  CHECK(bytes(kMaxJsonValueBytes));
  CHECK(!bytes(kMaxJsonValueBytes + 1));
  const auto key = [&](size_t n) { return values_of(Json{{std::string(n, 'k'), 1}}.dump()).ok(); };
  CHECK(key(kMaxJsonKeyBytes));
  CHECK(!key(kMaxJsonKeyBytes + 1));
  const auto digits = [&](size_t n) { return values_of("{\"a\":1." + std::string(n - 2, '0') + "}").ok(); };
  CHECK(digits(kMaxJsonNumberBytes));
  CHECK(!digits(kMaxJsonNumberBytes + 1));

  const auto tensors_of = [&](const SafetensorsBuilder& b) {
    GgufBuilder::write_bytes(place / "x.safetensors", b.bytes());
    return read_safetensors(InputFile::open(place / "x.safetensors").value());
  };
  SafetensorsBuilder b;
  b.tensors = {{std::string(kMaxSafetensorsName, 'n'), "U8", std::vector<uint64_t>(kMaxSafetensorsDims, 1), "x"}};
  REQUIRE(tensors_of(b).ok());
  b.tensors[0].name += "n";
  CHECK(!tensors_of(b).ok());
  b.tensors[0] = {"n", "U8", std::vector<uint64_t>(kMaxSafetensorsDims + 1, 1), "x"};
  CHECK(!tensors_of(b).ok());
  b.tensors.clear();
  b.header = "{";
  for (size_t i = 0; i < kMaxSafetensors; ++i) {
    b.header += (i ? ",\"" : "\"") + std::to_string(i) + "\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}";
  }
  const std::string most = b.header;
  b.header += "}";
  CHECK(tensors_of(b).ok());
  b.header = most + ",\"x\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
  CHECK(!tensors_of(b).ok());
}

TEST_CASE("a header of a hundred million bytes is read, one more is not", "[converter][hostile][safetensors]") {
  TemporaryFolder place;
  const std::string path = place / "x.safetensors";
  const auto write = [&](uint64_t n) {  // zeros to the end, which take no room on the disk
    std::string head;
    GgufBuilder::put<uint64_t>(head, n);
    GgufBuilder::write_bytes(path, head + "{}");
    std::filesystem::resize_file(path, n + 8);
  };
  write(kMaxSafetensorsHeader + 1);
  const auto longer = read_safetensors(InputFile::open(path).value());
  REQUIRE(!longer.ok());
  CHECK(longer.error().message.find("at most 100000000") != std::string::npos);
  write(kMaxSafetensorsHeader);
  const auto allowed = read_safetensors(InputFile::open(path).value());
  REQUIRE(!allowed.ok());
  CHECK(allowed.error().message.find("follows the end") != std::string::npos);
}

}  // namespace sluice::test
