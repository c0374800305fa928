// SPDX-License-Identifier: Apache-2.0
// Synthetic models: valid by every check that the runtime and the program have, of the statistics that were promised,
// and streamed with the tokens of a resident run.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "bench/synthetic/byte_vocabulary.h"
#include "bench/synthetic/random_strips.h"
#include "bench/synthetic/write_synthetic.h"
#include "program.h"
#include "runtime/model/model.h"
#include "runtime/model/verify.h"
#include "schema/tile.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice {
namespace {

SyntheticShape tiny() { return *find_synthetic_preset("tiny"); }

std::string bytes_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write_model(const SyntheticShape& shape, const std::string& path) {
  const auto written = write_synthetic(shape, path);
  INFO((written.ok() ? "" : written.error().text()));
  REQUIRE(written.ok());
  CHECK(written->file_bytes == std::filesystem::file_size(path));
}

nlohmann::json run_json(const std::vector<std::string>& arguments) {
  const Ran ran = run_sluice(arguments);
  INFO(ran.out << ran.err);
  REQUIRE(ran.code == 0);
  const nlohmann::json json = nlohmann::json::parse(ran.out, nullptr, false);
  REQUIRE(json.is_object());
  return json;
}

std::vector<std::string> quantized_formats() {
  std::vector<std::string> names;
  for (const FormatSpec& spec : known_formats()) {
    if (spec.group_size != 0) names.push_back(spec.name);
  }
  return names;
}

}  // namespace

TEST_CASE("a synthetic model of every quantized format opens, verifies and computes finite logits", "[bench]") {
  TemporaryFolder folder;
  REQUIRE(quantized_formats().size() >= 15);
  std::ofstream text(folder / "text");
  for (int i = 0; i < 200; ++i) text << i << " words, ";
  text.close();
  for (const std::string& format : quantized_formats()) {
    CAPTURE(format);
    SyntheticShape shape = tiny();
    shape.format = format;
    shape.n_layers = 2;
    const std::string path = folder / (format + ".slm");
    write_model(shape, path);
    const auto source = FileSource::open(path);
    REQUIRE(source.ok());
    const auto model = Model::open(*source);
    INFO((model.ok() ? "" : model.error().text()));
    REQUIRE(model.ok());
    CHECK(verify_model(**model, {}).ok());
    // Logits of the variance 1 that know nothing: log(n_vocab) + 1/2.
    const nlohmann::json eval = run_json({"eval", path, "--text", folder / "text", "--context", "64", "--json"});
    CHECK(std::fabs(eval["nll_mean"].get<double>() - std::log(double(shape.n_vocab)) - 0.5) < 0.4);
  }
}

TEST_CASE("sizes that are no multiples of blocks, strips or chunks are padded as the format says", "[bench]") {
  TemporaryFolder folder;
  SyntheticShape shape = tiny();
  shape.n_layers = 1, shape.d_model = 328, shape.n_heads = 3, shape.n_kv_heads = 1, shape.head_dim = 40;
  shape.d_ff = 1000, shape.n_vocab = 3001;
  for (const char* format : {"q4_k", "q8_0"}) {
    for (const bool tied : {false, true}) {
      CAPTURE(format, tied);
      shape.format = format, shape.tied_head = tied;
      const std::string path = folder / "odd.slm";
      write_model(shape, path);
      CHECK(run_sluice({"inspect", path, "--verify"}).code == 0);
      CHECK(run_json({"run", path, "-p", "abc", "-n", "4", "--temp", "0", "--raw", "--json"})["tokens"].size() == 4);
    }
  }
}

TEST_CASE("padding of a random strip has codes at the zero point and no scale", "[bench]") {
  for (const std::string& name : quantized_formats()) {
    CAPTURE(name);
    const FormatSpec& spec = *find_format(name);
    const uint32_t cols = spec.block_inputs + 24, n_rows = 5;
    const RandomStrips strips(spec, cols, kTileRows, 3);
    std::vector<std::byte> whole(strips.strip_bytes()), part(strips.strip_bytes());
    strips.write(77, kTileRows, whole.data());
    strips.write(77, n_rows, part.data());
    const std::byte* second = part.data() + spec.block_bytes;
    CHECK(get_code(spec, kTileRows, part.data(), n_rows, 1) == spec.zero_point);
    CHECK(get_d(spec, kTileRows, part.data(), n_rows, 0) == 0);
    CHECK(get_code(spec, kTileRows, second, 0, 24) == spec.zero_point);
    CHECK(get_code(spec, kTileRows, whole.data() + spec.block_bytes, 15, spec.block_inputs - 1) == spec.zero_point);
  }
}

TEST_CASE("weights have the mean 0 and the deviation 1 / sqrt(inputs), and strips differ", "[bench]") {
  constexpr uint32_t kCols = 1024;
  for (const std::string& name : quantized_formats()) {
    CAPTURE(name);
    const FormatSpec& spec = *find_format(name);
    const RandomStrips strips(spec, kCols, kTileRows, 1);
    std::vector<std::byte> strip(strips.strip_bytes()), before;
    std::vector<float> row(kCols);
    double sum = 0, squares = 0;
    for (uint64_t draw = 0; draw < 8; ++draw) {
      strips.write(draw, kTileRows, strip.data());
      CHECK(strip != before);
      before = strip;
      for (uint32_t lane = 0; lane < kTileRows; ++lane) {
        dequantize_row(spec, kCols, kTileRows, lane, strip.data(), row.data());
        for (float w : row) sum += double(w), squares += double(w) * double(w);
      }
    }
    const double n = 8.0 * kTileRows * kCols, deviation = std::sqrt(squares / n) * std::sqrt(double(kCols));
    CHECK(deviation > 0.7);  // powers of two alone cannot meet it better
    CHECK(deviation < 1.45);
    // Codes around a zero point lie half a code, or (2 bits) half of a deviation, off the middle.
    CHECK(std::fabs(sum / n) * std::sqrt(double(kCols)) < 0.5);
  }
}

TEST_CASE("equal shapes and seeds give equal files, another seed another one", "[bench]") {
  TemporaryFolder folder;
  SyntheticShape shape = tiny();
  write_model(shape, folder / "a.slm");
  write_model(shape, folder / "b.slm");
  shape.seed = 2;
  write_model(shape, folder / "c.slm");
  CHECK(bytes_of(folder / "a.slm") == bytes_of(folder / "b.slm"));
  CHECK(bytes_of(folder / "a.slm") != bytes_of(folder / "c.slm"));
}

TEST_CASE("a synthetic model streams through a smaller budget with equal tokens", "[bench][streaming]") {
  TemporaryFolder folder;
  SyntheticShape shape = tiny();
  shape.n_layers = 12, shape.d_model = 512, shape.head_dim = 128, shape.d_ff = 2048;
  const std::string path = folder / "model.slm";
  write_model(shape, path);
  const std::vector<std::string> run = {"run", path,        "-p",  "The same words", "-n",    "24", "--temp",
                                        "0",   "--context", "128", "--raw",          "--json"};
  const auto with_budget = [&](const std::string& budget) {
    std::vector<std::string> arguments = run;
    arguments.insert(arguments.end(), {"--memory", budget});
    return arguments;
  };
  const uint64_t least =
      run_json({"plan", path, "--context", "128", "--memory", "1G", "--json"})["minimum_bytes"].get<uint64_t>();
  const nlohmann::json resident = run_json(with_budget("1G"));
  REQUIRE(resident["tokens"].size() == 24);
  for (const uint64_t budget : {least, least + (4 << 20)}) {
    const nlohmann::json plan =
        run_json({"plan", path, "--context", "128", "--memory", std::to_string(budget), "--json"});
    CHECK(plan["streamed_bytes_per_token"].get<uint64_t>() > 1 << 20);
    const nlohmann::json streamed = run_json(with_budget(std::to_string(budget)));
    CHECK(streamed["tokens"] == resident["tokens"]);
    CHECK(streamed["memory"]["peak_bytes"].get<uint64_t>() <= budget);
  }
}

TEST_CASE("every text comes back from the tokens of the byte vocabulary", "[bench]") {
  TemporaryFolder folder;
  write_model(tiny(), folder / "model.slm");
  const std::string text = "a b\n\xc3\xa4 ba\x01";
  const nlohmann::json tokens = run_json({"tokenize", folder / "model.slm", "-p", text, "--json"})["tokens"];
  std::string back;
  for (const nlohmann::json& token : tokens) back += char(token.get<int>());
  CHECK(back == text);
}

TEST_CASE("shapes that no file can hold are refused, and nothing is written", "[bench]") {
  TemporaryFolder folder;
  const auto refused = [&](auto change) {
    SyntheticShape shape = tiny();
    change(shape);
    const auto written = write_synthetic(shape, folder / "bad.slm");
    return !written.ok() && written.error().code == Code::kUsage && !std::filesystem::exists(folder / "bad.slm");
  };
  CHECK(refused([](SyntheticShape& s) { s.n_layers = 0; }));
  CHECK(refused([](SyntheticShape& s) { s.n_layers = kMaxLayers + 1; }));
  CHECK(refused([](SyntheticShape& s) { s.n_kv_heads = 3; }));
  CHECK(refused([](SyntheticShape& s) { s.head_dim = 63; }));
  CHECK(refused([](SyntheticShape& s) { s.n_vocab = kLeastSyntheticVocab - 1; }));
  CHECK(refused([](SyntheticShape& s) { s.d_ff = kMaxDimension + 1; }));
  CHECK(refused([](SyntheticShape& s) { s.format = "f16"; }));
  CHECK(refused([](SyntheticShape& s) { s.format = "q9"; }));
}

TEST_CASE("a cancelled writer leaves no file", "[bench]") {
  TemporaryFolder folder;
  int calls = 0;
  const auto written = write_synthetic(tiny(), folder / "model.slm", [&](uint64_t done, uint64_t total) {
    CHECK(done <= total);
    return ++calls < 5;
  });
  REQUIRE(!written.ok());
  CHECK(written.error().code == Code::kCancelled);
  CHECK(std::filesystem::is_empty(folder.path()));
}

}  // namespace sluice
