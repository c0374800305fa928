// SPDX-License-Identifier: Apache-2.0
// Hugging Face folders: the same model as a GGUF file gives the same .slm; what only this source has (fused matrices,
// norms without their one, scaled branches, shards, several spellings of one configuration) arrives where it should.
#include <bit>
#include <cmath>
#include <filesystem>

#include "safetensors_folder.h"
#include "slm_weights.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

struct Converted {
  Converted(const TemporaryFolder& place, const ToyFolder& toy) {
    toy.write(place / "Toy-1.5");
    ConvertOptions options;
    options.notice = [&](const std::string& line) { notices += line + "\n"; };
    const auto result = convert_file(place / "Toy-1.5", place / "toy.slm", options);
    if (!result.ok()) {
      error = result.error().text();
      return;
    }
    report = *result;
    slm = std::make_unique<SlmWeights>(place / "toy.slm");
  }
  const fb::Config& config() const { return *slm->header().config(); }
  std::string error, notices;
  ConvertReport report;
  std::unique_ptr<SlmWeights> slm;
};

// Every row of every tensor, bit by bit.
void check_same_weights(SlmWeights& a, SlmWeights& b) {
  REQUIRE(a.header().tensors()->size() == b.header().tensors()->size());
  for (const fb::Tensor* left : *a.header().tensors()) {
    const fb::Tensor* right = b.find(left->role(), left->layer());
    REQUIRE(right != nullptr);
    CAPTURE(left->source_name()->str());
    CHECK(left->source_name()->str() == right->source_name()->str());
    REQUIRE(left->cols() == right->cols());
    uint32_t different = 0;
    for (uint32_t r = 0; r < std::min(left->rows(), right->rows()); ++r) {
      const std::vector<float> x = a.row(*left, r), y = b.row(*right, r);
      for (uint32_t c = 0; c < x.size(); ++c)
        different += std::bit_cast<uint32_t>(x[c]) != std::bit_cast<uint32_t>(y[c]);
    }
    CHECK(different == 0);
  }
}

ToyFolderOptions family(const std::string& name, uint32_t type = toy::kF32) {
  ToyFolderOptions o;
  o.model.architecture = name;
  o.model.matrix_type = o.model.embedding_type = type;
  o.model.tokenizer = "gpt2";
  return o;
}

}  // namespace

TEST_CASE("a folder gives the weights that a GGUF file of the same model gives", "[converter][safetensors]") {
  TemporaryFolder place;
  const std::string name = GENERATE("llama", "qwen2", "qwen3");
  const uint32_t type = GENERATE(uint32_t(toy::kF32), uint32_t(toy::kF16), uint32_t(toy::kBF16));
  ToyFolderOptions o = family(name, type);
  o.model.tied = type != toy::kF16;
  if (name == "qwen3") o.model.head_dim = 32;
  make_toy_gguf(place / "toy.gguf", o.model);
  REQUIRE(convert_file(place / "toy.gguf", place / "gguf.slm").ok());
  SlmWeights expected(place / "gguf.slm");
  Converted got(place, toy_folder(o));
  REQUIRE(got.error == "");
  CHECK(got.report.name == "Toy-1.5");
  CHECK(got.report.architecture == name);
  CHECK(got.report.source.starts_with("safetensors, "));
  CHECK(got.report.source.ends_with(type == toy::kF32 ? "F32" : type == toy::kF16 ? "F16" : "BF16"));
  check_same_weights(expected, *got.slm);
  const fb::Config &a = *expected.header().config(), &b = got.config();
  CHECK(a.tied_head() == b.tied_head());
  CHECK(a.norm_eps() == b.norm_eps());
  CHECK(a.n_ctx() == b.n_ctx());
  for (uint32_t l = 0; l < a.n_layers(); ++l) {
    CHECK(a.layers()->Get(l)->head_dim() == b.layers()->Get(l)->head_dim());
    CHECK(a.layers()->Get(l)->n_kv_heads() == b.layers()->Get(l)->n_kv_heads());
    CHECK(a.layers()->Get(l)->attn_scale() == b.layers()->Get(l)->attn_scale());
  }
  for (uint32_t j = 0; j < a.ropes()->Get(0)->inv_freq()->size(); ++j) {
    CHECK(a.ropes()->Get(0)->inv_freq()->Get(j) == b.ropes()->Get(0)->inv_freq()->Get(j));
  }
  // 256 bytes, 7 merges and 3 added tokens; the embedding has 320 rows.
  CHECK(b.n_vocab() == 266);
  CHECK(got.notices.find("54 padding rows") != std::string::npos);
}

TEST_CASE("the source of a folder is found equal weight by weight", "[converter][safetensors][check]") {
  TemporaryFolder place;
  ToyFolderOptions o = family(GENERATE("llama", "gemma3", "phi3"), toy::kBF16);
  o.fused = o.model.architecture == "phi3";
  Converted got(place, toy_folder(o));
  REQUIRE(got.error == "");
  ConvertedModel model;
  for (const fb::Tensor* t : *got.slm->header().tensors()) {
    const std::string format = got.slm->header().formats()->Get(t->format())->name()->str();
    model.tensors.push_back({t->source_name()->str(), format, t->rows(), t->cols()});
  }
  model.read = [&](size_t index, uint32_t first, uint32_t n, float* out) -> Status {
    SlmWeights slm(place / "toy.slm");
    const fb::Tensor& tensor = *slm.find(model.tensors[index].name);
    for (uint32_t i = 0; i < n; ++i) {
      const std::vector<float> row = slm.row(tensor, first + i);
      std::copy(row.begin(), row.end(), out + size_t(i) * tensor.cols());
    }
    return {};
  };
  const auto report = check_against_source(place / "Toy-1.5", model, 1);
  if (!report.ok()) FAIL(report.error().text());
  CHECK(report->equal());
  CHECK(report->weights > 40000);
}

TEST_CASE("the norms of Gemma get the one that its folders leave out", "[converter][safetensors]") {
  TemporaryFolder place;
  const ToyFolder toy = toy_folder(family("gemma3"));
  Converted got(place, toy);
  REQUIRE(got.error == "");
  for (const auto& [role, name] :
       {std::pair(fb::Role::AttnNorm, "input_layernorm"), std::pair(fb::Role::AttnPostNorm, "post_attention_layernorm"),
        std::pair(fb::Role::FfnNorm, "pre_feedforward_layernorm"),
        std::pair(fb::Role::FfnPostNorm, "post_feedforward_layernorm"),
        std::pair(fb::Role::AttnQNorm, "self_attn.q_norm")}) {
    CAPTURE(name);
    ToyFolder copy = toy;
    const std::string data = copy.weights.find(std::string("model.layers.1.") + name + ".weight").data;
    const std::vector<float> row = got.slm->row(*got.slm->find(role, 1), 0);
    for (size_t i = 0; i < row.size(); ++i) {
      float w;
      memcpy(&w, data.data() + 4 * i, 4);
      REQUIRE(row[i] == 1 + w);
    }
  }
  const fb::Config& c = got.config();
  CHECK(c.embedding_scale() == std::sqrt(64.0f));
  CHECK(c.layers()->Get(0)->window() == 16);
  CHECK(c.layers()->Get(0)->activation() == fb::Activation::GeluTanh);
}

TEST_CASE("matrices that hold Q, K and V or gate and up are cut into them", "[converter][safetensors]") {
  TemporaryFolder place;
  const uint32_t type = GENERATE(uint32_t(toy::kF32), uint32_t(toy::kBF16));
  ToyFolderOptions o = family("phi3", type);
  Converted apart(place, toy_folder(o));
  REQUIRE(apart.error == "");
  std::filesystem::rename(place / "toy.slm", place / "apart.slm");
  o.fused = true;
  Converted fused(place, toy_folder(o));
  REQUIRE(fused.error == "");
  SlmWeights expected(place / "apart.slm");
  check_same_weights(expected, *fused.slm);
}

TEST_CASE("MiniCPM's scales become the embedding's, eps and the last norm", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder toy = toy_folder(family("minicpm"));
  Converted plain(place, toy);
  REQUIRE(plain.error == "");
  toy.config["scale_emb"] = 12;
  toy.config["scale_depth"] = 1.4;
  toy.config["dim_model_base"] = 16;
  const std::vector<float> before = plain.slm->row(*plain.slm->find(fb::Role::OutputNorm, -1), 0);
  Converted scaled(place, toy);
  REQUIRE(scaled.error == "");
  const double branch = 1.4 / std::sqrt(2.0);
  CHECK(scaled.config().embedding_scale() == float(12 / branch));
  CHECK(scaled.config().norm_eps() == float(double(1e-5f) / (branch * branch)));
  const std::vector<float> after = scaled.slm->row(*scaled.slm->find(fb::Role::OutputNorm, -1), 0);
  for (size_t i = 0; i < after.size(); ++i) REQUIRE(after[i] == before[i] * 0.25f);
}

TEST_CASE("MiniCPM without one of its scales is refused", "[converter][safetensors]") {
  TemporaryFolder place;
  for (const char* key : {"scale_emb", "scale_depth", "dim_model_base"}) {
    ToyFolder toy = toy_folder(family("minicpm"));
    toy.config.erase(key);
    CHECK(Converted(place, toy).error.find(std::string(key) + " is missing") != std::string::npos);
  }
}

// What the file of Gemma 3 4B leaves out is what the transformers library's own configuration class has.
TEST_CASE("numbers that published files of Gemma 3 leave out have the family's values", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolderOptions o = family("gemma3");
  o.model.n_heads = 8, o.model.n_kv_heads = 4, o.model.head_dim = 256, o.model.n_layers = 1;
  ToyFolder toy = toy_folder(o);
  for (const char* key : {"num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings",
                          "rms_norm_eps", "sliding_window", "query_pre_attn_scalar", "tie_word_embeddings"}) {
    toy.config.erase(key);
  }
  toy.config = {{"model_type", "gemma3"}, {"text_config", toy.config}};
  Converted got(place, toy);
  REQUIRE(got.error == "");
  CHECK(got.config().n_ctx() == 131072);
  CHECK(got.config().norm_eps() == 1e-6f);
  const auto* layer = got.config().layers()->Get(0);
  CHECK(layer->n_heads() == 8);
  CHECK(layer->n_kv_heads() == 4);
  CHECK(layer->head_dim() == 256);
  CHECK(layer->window() == 4096);
  CHECK(layer->attn_scale() == 0.0625f);
}

TEST_CASE("a model in several files is the same as in one", "[converter][safetensors]") {
  TemporaryFolder place;
  const ToyFolder whole = toy_folder(family("llama"));
  Converted one(place, whole);
  REQUIRE(one.error == "");
  std::filesystem::rename(place / "toy.slm", place / "one.slm");
  ToyFolder split = whole;
  std::vector<SafetensorsBuilder> shards(3);
  Json map;
  for (size_t i = 0; i < whole.weights.tensors.size(); ++i) {
    shards[i % 3].tensors.push_back(whole.weights.tensors[i]);
    map[whole.weights.tensors[i].name] = "model-" + std::to_string(i % 3) + ".safetensors";
  }
  split.files["model.safetensors"] = "-";
  for (size_t s = 0; s < 3; ++s) split.files["model-" + std::to_string(s) + ".safetensors"] = shards[s].bytes();
  split.files["model.safetensors.index.json"] = Json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump();
  Converted several(place, split);
  REQUIRE(several.error == "");
  SlmWeights expected(place / "one.slm");
  check_same_weights(expected, *several.slm);
  CHECK(is_convertible(place / "Toy-1.5"));
  CHECK(source_files(place / "Toy-1.5").size() == 7);
  CHECK(source_files(place / "Toy-1.5").front() == place / "Toy-1.5/config.json");
}

TEST_CASE("the text part of a model with images is converted, its other tensors are counted",
          "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder toy = toy_folder(family("gemma3"));
  Converted text(place, toy);
  REQUIRE(text.error == "");
  std::filesystem::rename(place / "toy.slm", place / "text.slm");
  const std::string prefix = GENERATE("language_model.", "model.language_model.");
  for (auto& t : toy.weights.tensors) {
    t.name = prefix == "language_model." ? prefix + t.name : "model.language_model." + t.name.substr(6);
  }
  toy.weights.tensors.push_back({"vision_tower.x", "I8", {2, 2}, "abcd"});
  toy.config = {{"model_type", "gemma3"}, {"text_config", toy.config}};
  Converted image(place, toy);
  REQUIRE(image.error == "");
  CHECK(image.notices.find("1 tensors of other parts") != std::string::npos);
  SlmWeights expected(place / "text.slm");
  check_same_weights(expected, *image.slm);
}

TEST_CASE("older and newer spellings of rotary positions say the same", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder older = toy_folder(family("qwen2")), newer = older;
  Json scaling = GENERATE(Json{{"type", "linear"}, {"factor", 4.0}},
                          Json{{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 128}},
                          Json{{"type", "llama3"},
                               {"factor", 8.0},
                               {"low_freq_factor", 1.0},
                               {"high_freq_factor", 4.0},
                               {"original_max_position_embeddings", 64}});
  older.config["rope_theta"] = 5e5;
  older.config["rope_scaling"] = scaling;
  newer.config.erase("rope_theta");
  newer.config["rope_parameters"] = scaling;
  newer.config["rope_parameters"].erase("type");
  newer.config["rope_parameters"]["rope_type"] = scaling["type"];
  newer.config["rope_parameters"]["rope_theta"] = 5e5;
  Converted a(place, older), b(place, newer);
  REQUIRE(a.error + b.error == "");
  const auto *x = a.config().ropes()->Get(0), *y = b.config().ropes()->Get(0);
  CHECK(x->magnitude() == y->magnitude());
  CHECK((scaling["type"] == "yarn") == (x->magnitude() != 1));
  for (uint32_t j = 0; j < 8; ++j) CHECK(x->inv_freq()->Get(j) == y->inv_freq()->Get(j));
  CHECK(x->inv_freq()->Get(7) < std::pow(5e5, -14.0 / 16) * 0.3);
}

TEST_CASE("frequencies of Llama 3.1 follow the published formula", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder toy = toy_folder(family("llama"));
  toy.config["rope_scaling"] = {{"rope_type", "llama3"},
                                {"factor", 8.0},
                                {"low_freq_factor", 1.0},
                                {"high_freq_factor", 4.0},
                                {"original_max_position_embeddings", 64}};
  Converted got(place, toy);
  REQUIRE(got.error == "");
  for (uint32_t j = 0; j < 8; ++j) {
    const double f = std::pow(10000.0, -2.0 * j / 16), wavelength = 2 * 3.14159265358979323846 / f;
    const double smooth = (64 / wavelength - 1) / (4 - 1);
    const double expected = wavelength > 64 ? f / 8 : wavelength < 16 ? f : (1 - smooth) * f / 8 + smooth * f;
    CHECK(std::abs(got.config().ropes()->Get(0)->inv_freq()->Get(j) / expected - 1) < 1e-12);
  }
}

TEST_CASE("long contexts of Phi-3 end where the short factors end", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder toy = toy_folder(family("phi3"));
  toy.config["original_max_position_embeddings"] = 128;
  toy.config["rope_scaling"] = {{"type", "su"}, {"short_factor", {1, 1.5, 2, 2.5}}, {"long_factor", {2, 3, 4, 5}}};
  toy.config["partial_rotary_factor"] = 0.5;
  Converted got(place, toy);
  REQUIRE(got.error == "");
  CHECK(got.config().n_ctx() == 128);
  CHECK(got.notices.find("128 positions") != std::string::npos);
  const fb::Rope& rope = *got.config().ropes()->Get(0);
  REQUIRE(rope.inv_freq()->size() == 4);
  CHECK(std::abs(rope.inv_freq()->Get(1) - std::pow(10000.0, -0.25) / 1.5) < 1e-12);
  CHECK(rope.magnitude() == float(std::sqrt(1 + std::log(4.0) / std::log(128.0))));
}

TEST_CASE("windows of layers come from a list, a first layer or the family", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder toy = toy_folder(family("qwen2"));
  toy.config["sliding_window"] = 7;
  const auto windows = [&] {
    Converted got(place, toy);
    REQUIRE(got.error == "");
    return std::vector<uint32_t>{got.config().layers()->Get(0)->window(), got.config().layers()->Get(1)->window()};
  };
  CHECK(windows() == std::vector<uint32_t>{0, 0});
  toy.config["use_sliding_window"] = true;
  toy.config["max_window_layers"] = 1;
  CHECK(windows() == std::vector<uint32_t>{0, 7});
  toy.config["layer_types"] = {"sliding_attention", "full_attention"};
  CHECK(windows() == std::vector<uint32_t>{7, 0});
  toy = toy_folder(family("llama"));
  toy.config["sliding_window"] = 7;
  CHECK(windows() == std::vector<uint32_t>{0, 0});
  toy.config["model_type"] = "mistral";
  CHECK(windows() == std::vector<uint32_t>{7, 7});
}

TEST_CASE("special tokens, templates and sampling come from the small files", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder toy = toy_folder(family("llama"));
  toy.files["generation_config.json"] =
      Json{{"do_sample", true}, {"temperature", 0.5},         {"top_k", 7},
           {"top_p", 0.75},     {"repetition_penalty", 1.25}, {"eos_token_id", {265, 263}}}
          .dump();
  toy.files["chat_template.jinja"] = "the file {{ x }}";
  Converted got(place, toy);
  REQUIRE(got.error == "");
  const fb::Header& h = got.slm->header();
  CHECK(h.chat_template()->str() == "the file {{ x }}");
  CHECK(h.vocab()->bos() == 264);
  CHECK(h.vocab()->eos() == 265);
  CHECK(!h.vocab()->add_bos());
  REQUIRE(h.vocab()->end_of_generation()->size() == 2);
  CHECK(h.vocab()->end_of_generation()->Get(0) == 263);
  CHECK(h.vocab()->pre()->str() == "smollm");
  CHECK(h.sampling()->temp() == 0.5f);
  CHECK(h.sampling()->top_k() == 7);
  CHECK(h.sampling()->repeat_penalty() == 1.25f);
  CHECK(h.sampling()->penalty_last_n() == -1);

  toy.files["generation_config.json"] = Json{{"temperature", 0.5}}.dump();  // greedy there
  toy.files.erase("chat_template.jinja");
  toy.tokenizer["post_processor"] = Json::parse(
      R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|im_start|>"}},{"Sequence":{"id":"A"}}]})");
  toy.files["tokenizer_config.json"] =
      R"({"chat_template":[{"name":"tool_use","template":"T"},{"name":"default","template":"D"}]})";
  Converted other(place, toy);
  REQUIRE(other.error == "");
  CHECK(other.slm->header().sampling()->temp() < 0);
  CHECK(other.slm->header().chat_template()->str() == "D");
  CHECK(other.slm->header().chat_templates()->Get(0)->text()->str() == "T");
  CHECK(other.slm->header().vocab()->bos() == 264);
  CHECK(other.slm->header().vocab()->add_bos());
}

TEST_CASE("a way to cut text that is not known is told, not guessed silently", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder toy = toy_folder(family("llama"));
  toy.tokenizer["pre_tokenizer"] = Json::parse(
      R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"a|b+"},"behavior":"Isolated","invert":false},
          {"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})");
  toy.tokenizer["normalizer"] = {{"type", "NFC"}};
  Converted got(place, toy);
  REQUIRE(got.error == "");
  CHECK(got.notices.find("a|b+") != std::string::npos);
  CHECK(got.notices.find("NFC") != std::string::npos);
  CHECK(got.slm->header().vocab()->pre()->str() == "unknown");
  CHECK(got.notices.find("cannot be run") != std::string::npos);
}

TEST_CASE("published ways to cut text get their names, spelled with escapes or without", "[converter][safetensors]") {
  TemporaryFolder place;
  const std::string words = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|)";
  const std::string seed = words + R"(\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)";
  std::string plain = seed;
  for (const auto& [from, to] : {std::pair("\\r", "\r"), std::pair("\\n", "\n")}) {
    for (size_t at; (at = plain.find(from)) != plain.npos;) plain.replace(at, 2, to);
  }
  const std::string rest = R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  const std::pair<const char*, std::vector<std::string>> known[] = {
      {"seed-coder", {seed}},
      {"seed-coder", {plain}},
      {"minicpm5", {"\\p{N}{1,3}", words + R"(\p{N}+|)" + rest}},
      {"llama-bpe", {words + R"(\p{N}{1,3}|)" + rest}},
      {"qwen2", {words + R"(\p{N}|)" + rest}},
      {"unknown", {words + R"(\p{N}+|)" + rest}},
  };
  for (const auto& [name, patterns] : known) {
    CAPTURE(name);
    ToyFolder toy = toy_folder(family("llama"));
    Json steps = Json::array();
    for (const std::string& pattern : patterns) {
      steps.push_back({{"type", "Split"}, {"pattern", {{"Regex", pattern}}}, {"behavior", "Isolated"}, {"invert", false}});
    }
    steps.push_back({{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}});
    toy.tokenizer["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
    Converted got(place, toy);
    REQUIRE(got.error == "");
    CHECK(got.slm->header().vocab()->pre()->str() == name);
  }
}

TEST_CASE("the output never replaces a file of the folder", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder toy = toy_folder(family("llama"));
  toy.files["chat_template.jinja"] = "x";
  toy.files["generation_config.json"] = "{}";
  toy.write(place / "model");
  const std::vector<std::string> files = source_files(place / "model");
  REQUIRE(files.size() >= 5);
  for (const std::string& file : files) {
    CAPTURE(file);
    const std::string before = read_small_file(file, 16 << 20).value();
    const auto result = convert_file(place / "model", file);
    REQUIRE(!result.ok());
    CHECK(result.error().code == Code::kUsage);
    CHECK(read_small_file(file, 16 << 20).value() == before);
  }
}

TEST_CASE("folders that lack something say what", "[converter][safetensors]") {
  TemporaryFolder place;
  ToyFolder toy = toy_folder(family("llama"));
  toy.files["tokenizer.json"] = "-";
  CHECK(Converted(place, toy).error.find("no tokenizer.json") != std::string::npos);
  toy.files["model.safetensors"] = "-";
  CHECK(Converted(place, toy).error.find("no model.safetensors") != std::string::npos);
  CHECK(!is_convertible(place / "Toy-1.5"));
  toy.files["config.json"] = "-";
  CHECK(Converted(place, toy).error.find("no config.json") != std::string::npos);
}

}  // namespace sluice::test
