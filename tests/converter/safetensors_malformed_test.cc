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
// A family with windows, whose layers have these types.
Edit windows(Json types) {
  return [=](ToyFolder& t) {
    t.config["model_type"] = "mistral", t.config["sliding_window"] = 16, t.config["layer_types"] = types;
  };
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
      {"no tensors at all", kWeights, "no tensors", [](ToyFolder& t) { t.weights.tensors.clear(); }},
      {"more tokens than the embedding has rows", kConfig, "vocab_size is 1048576, but the embedding has", config("vocab_size", 1 << 20)},
      {"no tokens", kConfig, "vocab_size is no positive", config("vocab_size", 0)},
      {"fewer than no tokens", kConfig, "vocab_size is no positive", config("vocab_size", -1)},
      {"number of tokens as a text", kConfig, "vocab_size is no positive", config("vocab_size", "320")},
      // ---- several files
      {"index with two maps", kIndex, "weight_map occurs twice", text(kIndex, "{\"weight_map\":{\"a\":\"a.safetensors\"},\"weight_map\":{}}")},
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
      {"scaling that is a number", kConfig, "rope_scaling is a number, expected an object", config("rope_scaling", 5)},
      {"kind of scaling that is a number", kConfig, "rope_scaling.type is a number", config("rope_scaling", {{"type", 5}, {"factor", 2}})},
      {"YaRN with mscale", kConfig, "rope_scaling.mscale is a variant", config("rope_scaling", {{"type", "yarn"}, {"factor", 2}, {"mscale", 1}})},
      {"YaRN that is not truncated", kConfig, "rope_scaling.truncate is false", config("rope_scaling", {{"type", "yarn"}, {"factor", 2}, {"truncate", false}})},
      {"YaRN with a text for a number", kConfig, "rope_scaling.beta_fast", config("rope_scaling", {{"type", "yarn"}, {"factor", 2}, {"beta_fast", "x"}})},
      {"scaled layers with a window", kConfig, "without scaling", config("rope_parameters", {{"full_attention", {{"rope_type", "default"}}}, {"sliding_attention", {{"rope_type", "linear"}}}})},
      {"layer types that are a number", kConfig, "layer_types is a number, expected a list", config("layer_types", 5)},
      {"layer types for one layer of two", kConfig, "layer_types has 1 elements for 2 layers", windows({"full_attention"})},
      {"unknown type of a layer", kConfig, "layer_types.1 is \"linear\"", windows({"full_attention", "linear"})},
      {"branches scaled by nothing", kConfig, "scale_depth is no positive number", [](ToyFolder& t) { for (const char* key : {"scale_emb", "dim_model_base"}) t.config[key] = 1; t.config["model_type"] = "minicpm", t.config["scale_depth"] = 0; }},
      {"family that is a number", kConfig, "model_type is a number", config("model_type", 5)},
      {"tied by a text", kConfig, "tie_word_embeddings is a text", config("tie_word_embeddings", "yes")},
      // ---- tokenizer.json and the small files
      {"normalizer that is a number", kTokenizer, "normalizer is a number", tokenizer([](Json& t) { t["normalizer"] = 5; })},
      {"normalizer that is a list", kTokenizer, "normalizer is a list", tokenizer([](Json& t) { t["normalizer"] = Json::array(); })},
      {"post-processor that is a number", kTokenizer, "post_processor is a number", tokenizer([](Json& t) { t["post_processor"] = 5; })},
      {"model that is a list", kTokenizer, "model is a list", tokenizer([](Json& t) { t["model"] = Json::array(); })},
      {"byte_fallback that is a number", kTokenizer, "byte_fallback is a number", tokenizer([](Json& t) { t["model"]["byte_fallback"] = 5; })},
      {"word prefix that is a number", kTokenizer, "continuing_subword_prefix is a number", tokenizer([](Json& t) { t["model"]["continuing_subword_prefix"] = 5; })},
      {"special tokens that are a list", "special_tokens_map.json", "expected an object", text("special_tokens_map.json", "[]")},
      {"template file that is cut", "chat_template.json", "no end", text("chat_template.json", "{\"chat_template\":\"x")},
      {"sampling that is asked for by a number", "generation_config.json", "do_sample is a number", text("generation_config.json", "{\"do_sample\":1}")},
      {"BOS that is asked for by a number", "tokenizer_config.json", "add_bos_token is a number", text("tokenizer_config.json", "{\"add_bos_token\":1}")},
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
      {"added token far out", kTokenizer, "too far out", tokenizer([](Json& t) { t["added_tokens"][0]["id"] = 900'000; })},
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
  REQUIRE(kinds().size() >= 150);
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
  const auto path = [&](size_t n) {  // "k…k.k…k"
    return values_of(Json{{std::string(n / 2, 'k'), {{std::string(n - n / 2 - 1, 'k'), 1}}}}.dump()).ok();
  };
  CHECK(path(kMaxJsonKeyBytes));
  CHECK(!path(kMaxJsonKeyBytes + 1));
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

TEST_CASE("names of tensors have a limit together, and files of an index", "[converter][hostile][safetensors]") {
  TemporaryFolder place;
  const auto name = [](size_t i) {
    const std::string number = std::to_string(i);
    return std::string(kMaxSafetensorsName - number.size(), 'n') + number;
  };
  Json map;
  SafetensorsBuilder b;
  for (size_t i = 0; i < kMaxSafetensorsNames / kMaxSafetensorsName; ++i) {
    map[name(i)] = kWeights;
    b.tensors.push_back({name(i), "U8", {0}, ""});
  }
  const auto of_file = [&] {
    GgufBuilder::write_bytes(place / "x.safetensors", b.bytes());
    const auto tensors = read_safetensors(InputFile::open(place / "x.safetensors").value());
    return tensors.ok() ? "" : tensors.error().message;
  };
  const auto of_index = [&](const Json& weight_map) {
    ToyFolder toy = small_folder();
    index(weight_map)(toy);
    toy.write(place / "model");
    return convert_file(place / "model", place / "m.slm").error().message;
  };
  CHECK(of_file() == "");
  CHECK(of_index(map).find("is not in model.safetensors") != std::string::npos);
  map["n"] = kWeights;
  b.tensors.push_back({"n", "U8", {0}, ""});
  CHECK(of_file().find("more than 8388608 bytes") != std::string::npos);
  CHECK(of_index(map).find("more than 8388608 bytes") != std::string::npos);

  Json files;
  for (int i = 0; i < 511; ++i) files[std::to_string(i)] = std::to_string(i) + ".safetensors";
  CHECK(of_index(files).find("of the 511 that the index lists is missing") != std::string::npos);
  files["511"] = "511.safetensors";
  CHECK(of_index(files).find("more than 511 files") != std::string::npos);
}

TEST_CASE("a link that leads nowhere is no missing file", "[converter][hostile][safetensors]") {
  const std::string name = GENERATE("tokenizer_config.json", "special_tokens_map.json", "generation_config.json",
                                    "chat_template.json", "chat_template.jinja", "model.safetensors.index.json");
  TemporaryFolder place;
  const std::string folder = place / "model", path = folder + "/" + name;
  small_folder().write(folder);
  std::filesystem::remove(path);
  REQUIRE(convert_file(folder, place / "m.slm").ok());
  std::filesystem::create_symlink(GENERATE("gone", "model.safetensors.index.json"), path);  // the last one: a loop
  const auto report = convert_file(folder, place / "m.slm");
  if (report.ok()) FAIL(name << " was left out");
  CHECK(report.error().code == Code::kBadModel);
  CHECK(report.error().place == path);
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
