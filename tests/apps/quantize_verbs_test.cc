// SPDX-License-Identifier: Apache-2.0
// The way from a float model over its importance to a small one, through the real program on toy models.
#include <csignal>
#include <cstring>

#include "converter/safetensors_folder.h"
#include "workshop.h"

namespace sluice {

namespace {

test::ToyOptions float_toy() {
  test::ToyOptions toy;
  toy.matrix_type = toy.embedding_type = test::toy::kF16;
  return toy;
}

std::string some_text() {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "line " + std::to_string(i * i) + " of a text\n";
  return text;
}

}  // namespace

TEST_CASE("collected importance goes into a quantized model, which is compared with its source", "[apps]") {
  const Workshop shop(float_toy());
  const std::string text = shop.file("text.txt", some_text());
  const Ran collect = shop.run(
      {"eval", shop.model, "--text", text, "--collect", shop / "importance.gguf", "--context", "64", "--json"});
  INFO(collect.err);
  REQUIRE(collect.code == 0);
  CHECK(json_of(collect)["tokens"] > 100);
  REQUIRE(shop.run({"convert", shop.model, "-o", shop / "float.slm"}).code == 0);
  for (const char* to : {"q8", "q4", "q4-small"}) {
    CAPTURE(to);
    const std::string small = shop / (std::string(to) + ".slm");
    const Ran convert = shop.run(
        {"convert", shop.model, "-o", small, "--quantize", to, "--importance", shop / "importance.gguf", "--json"});
    INFO(convert.err);
    REQUIRE(convert.code == 0);
    CHECK(json_of(convert)["notices"].empty());
    CHECK(std::filesystem::file_size(small) < std::filesystem::file_size(shop / "float.slm"));
    const Ran eval =
        shop.run({"eval", small, "--against", shop / "float.slm", "--text", text, "--context", "64", "--json"});
    INFO(eval.err);
    REQUIRE(eval.code == 0);
    const Json json = json_of(eval);
    CHECK(json["kl_mean"] > 0);
    CHECK(json["perplexity"] > 1);
    CHECK(json["other_perplexity"] > 1);
    CHECK(shop.run({"run", small, "-p", "hello", "-n", "3", "--seed", "1"}).code == 0);
  }
  const Ran itself =
      shop.run({"eval", shop / "float.slm", "--against", shop / "float.slm", "--text", text, "--context", "64"});
  CHECK(itself.code == 0);
  CHECK(contains(itself.out, "perplexity "));
  CHECK(contains(itself.out, "of the other model"));
}

TEST_CASE("options for quantizing that contradict each other are usage errors", "[apps]") {
  const Workshop shop(float_toy());
  const std::string text = shop.file("text.txt", some_text());
  CHECK(shop.run({"convert", shop.model, "-o", shop / "x.slm", "--importance", text}).code == 2);
  CHECK(shop.run({"convert", shop.model, "-o", shop / "x.slm", "--quantize", "q3"}).code == 2);
  CHECK(shop.run({"convert", shop.model, "-o", shop / "x.slm", "--quantize", "q4", "--importance", text}).code == 3);
  CHECK(shop.run({"eval", shop.model, "--collect", shop / "i.gguf"}).code == 2);
  CHECK(shop.run({"eval", shop.model, "--text", text, "--collect", shop / "i.gguf", "--device", "cpu"}).code == 2);
  CHECK(shop.run({"eval", shop.model, "--text", text, "--collect", shop / "i.gguf", "--against", shop.model}).code ==
        2);
  CHECK(shop.files_in("") == std::vector<std::string>{"text.txt", "toy.gguf"});
}

TEST_CASE("collecting never replaces what is read, and is refused before the run where nothing can be written",
          "[apps]") {
  const Workshop shop(float_toy());
  const std::string text = shop.file("text.txt", some_text());
  REQUIRE(shop.run({"convert", shop.model, "-o", shop / "m.slm"}).code == 0);
  std::filesystem::create_hard_link(shop / "m.slm", shop / "hard.slm");
  std::filesystem::create_symlink(text, shop / "link.txt");
  const auto collect = [&](const std::string& model, const std::string& target) {
    return shop.run({"eval", model, "--text", text, "--context", "64", "--collect", target});
  };
  const std::string slm = shop.read("m.slm"), gguf = shop.read("toy.gguf");
  const std::pair<std::string, std::string> refused[] = {{shop / "m.slm", shop / "m.slm"},
                                                         {shop / "m.slm", shop / "hard.slm"},
                                                         {shop / "m.slm", text},
                                                         {shop / "m.slm", shop / "link.txt"},
                                                         {shop.model, shop.model},
                                                         {shop / "m.slm", shop / "cache"},
                                                         {shop / "m.slm", shop / "none/i.gguf"},
                                                         {shop / "m.slm", "/dev/null"}};
  std::filesystem::create_directories(shop / "cache");
  for (const auto& [model, target] : refused) {
    CAPTURE(model, target);
    const Ran ran = collect(model, target);
    CHECK(ran.code == 2);
    CHECK(ran.out.empty());  // no figures: nothing ran
  }
  CHECK(shop.read("m.slm") == slm);
  CHECK(shop.read("toy.gguf") == gguf);
  CHECK(shop.read("text.txt") == some_text());
  // The converted model in the cache, by its name and by its source.
  REQUIRE(shop.run({"run", shop.model, "-p", "a", "-n", "1"}).code == 0);
  for (const std::string& name : shop.files_in("cache/sluice/models")) {
    if (!name.ends_with(".slm")) continue;
    const std::string cached = "cache/sluice/models/" + name, before = shop.read(cached);
    CHECK(collect(shop.model, shop / cached).code == 2);
    CHECK(collect(name.substr(0, name.size() - 4), shop / cached).code == 2);
    CHECK(shop.read(cached) == before);
  }
}

TEST_CASE("converting never replaces the importance file", "[apps]") {
  const Workshop shop(float_toy());
  const std::string text = shop.file("text.txt", some_text()), importance = shop / "i.gguf";
  REQUIRE(shop.run({"eval", shop.model, "--text", text, "--context", "64", "--collect", importance}).code == 0);
  const std::string before = shop.read("i.gguf");
  CHECK(shop.run({"convert", shop.model, "-o", importance, "--quantize", "q8", "--importance", importance}).code == 2);
  CHECK(shop.read("i.gguf") == before);
}

TEST_CASE("outputs that are no numbers end an evaluation, without figures and files", "[apps]") {
  const Workshop shop(float_toy());
  test::GgufBuilder g = test::toy_gguf(float_toy());
  for (test::GgufBuilder::Tensor& t : g.tensors) {
    const uint32_t not_a_number = 0x7fc00000;
    if (t.name == "output_norm.weight") memcpy(t.data.data() + 4, &not_a_number, sizeof not_a_number);
  }
  const std::string bad = shop / "nan.gguf", text = shop.file("text.txt", some_text());
  g.write(bad);
  const std::vector<std::vector<std::string>> runs = {
      {"eval", bad, "--text", text, "--context", "64", "--device", "reference"},
      {"eval", bad, "--text", text, "--context", "64", "--collect", shop / "i.gguf"},
      {"eval", shop.model, "--text", text, "--context", "64", "--device", "reference", "--against", bad},
      {"eval", bad, "--text", text, "--context", "64", "--device", "reference", "--against", shop.model}};
  for (const std::vector<std::string>& words : runs) {
    CAPTURE(words.size(), words[1], words.back());
    const Ran ran = shop.run(words);
    CHECK(ran.code == 1);
    CHECK(ran.out.empty());
    CHECK(contains(ran.err, "infinite or not a number"));
  }
  CHECK(!std::filesystem::exists(shop / "i.gguf"));
  CHECK(contains(shop.run({"convert", bad, "-o", shop / "nan.slm"}).err, "1 of output_norm.weight is infinite"));
}

TEST_CASE("collecting into a file without a name is a usage error", "[apps]") {
  const Workshop shop(float_toy());
  const Ran ran = shop.run({"eval", shop.model, "--text", shop.file("text.txt", some_text()), "--collect", ""});
  CHECK(ran.code == 2);
  CHECK(ran.out.empty());
}

TEST_CASE("Ctrl-C is heard while a long tokenizer is read", "[apps]") {
  const Workshop shop(float_toy());
  test::ToyFolderOptions o;
  o.model = float_toy();
  test::ToyFolder toy = test::toy_folder(o);
  // Read three times; what is wrong with it shows at the end of the last one, where the conversion would fail.
  toy.tokenizer["model"].erase("merges");
  std::string tokenizer = toy.tokenizer.dump();
  tokenizer.insert(1, std::string(96 << 20, ' '));
  toy.files["tokenizer.json"] = tokenizer;
  toy.write(shop / "folder");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"convert", shop / "folder", "-o", shop / "x.slm"},
        std::vector<std::string>{"run", shop / "folder", "-p", "a"}}) {
    CAPTURE(words[0]);
    Setting s = shop.setting();
    s.watch = [](const std::string&, const std::string&) { return SIGINT; };
    const Ran ran = run_sluice(words, s);
    INFO(ran.err);
    CHECK(ran.code == 130);
    CHECK(!contains(ran.err, "merges"));
    CHECK(!std::filesystem::exists(shop / "x.slm"));
  }
  CHECK(shop.run({"convert", shop / "folder", "-o", shop / "x.slm"}).code == 3);
}

}  // namespace sluice
