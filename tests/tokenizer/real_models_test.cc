// SPDX-License-Identifier: Apache-2.0
// Golden token ids of real models. SLUICE_MODELS names a folder with smollm2.slm, gemma3.slm and qwen.slm; without it,
// or for models that are not there, the test says that it skipped.
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "base/source.h"
#include "runtime/tokenizer/tokenizer.h"
#include "schema/reader.h"
#include "support/catch.h"

namespace sluice {
namespace {

struct Golden {
  const char* model;
  const char* text;
  std::vector<int32_t> tokens;
};

const Golden kGolden[] = {
    {"smollm2", "Hello, y'all! \U0001F601 1234", {19556, 28, 329, 23, 449, 17, 40303, 219, 216, 33, 34, 35, 36}},
    {"smollm2", "  a\u00A0b\n\n x", {216, 253, 15442, 82, 1116, 1792}},
    {"smollm2", "na\u00EFve \u6211\u60F3 \u2581q", {3546, 46494, 17097, 226, 235, 177, 221, 128, 29566, 219, 97}},
    {"gemma3",
     "Hello, y'all! \U0001F601 1234",
     {9259, 236764, 570, 236789, 712, 236888, 170124, 236743, 236770, 236778, 236800, 236812}},
    {"gemma3", "  a\u00A0b\n\n x", {138, 236746, 432, 398, 236763, 108, 1123}},
    {"gemma3", "na\u00EFve \u6211\u60F3 \u2581q", {1789, 238527, 560, 26911, 237690, 236743, 3752}},
    {"qwen", "Hello, y'all! \U0001F601 1234", {9707, 11, 379, 64848, 0, 26525, 223, 220, 16, 17, 18, 19}},
    {"qwen", "  a\u00A0b\n\n x", {220, 264, 4102, 65, 271, 856}},
    {"qwen", "na\u00EFve \u6211\u60F3 \u2581q", {3376, 37572, 586, 49434, 239, 99172, 14520, 223, 80}},
};

struct Opened {
  Accountant accountant{0};
  SlmFile file;
  Tokenizer tokenizer;
};

std::unique_ptr<Opened> open_model(const std::filesystem::path& path) {
  auto opened = std::make_unique<Opened>();
  auto source = FileSource::open(path.string());
  REQUIRE(source.ok());
  Result<SlmFile> file = open_slm(*source, opened->accountant);
  INFO((file.ok() ? path.string() : file.error().text()));
  REQUIRE(file.ok());
  opened->file = std::move(file).value();
  Result<Tokenizer> tokenizer = Tokenizer::open(opened->file.header()->vocab());
  REQUIRE(tokenizer.ok());
  opened->tokenizer = std::move(tokenizer).value();
  return opened;
}

std::vector<int32_t> encoded(const Tokenizer& tokenizer, const std::string& text) {
  std::vector<int32_t> tokens;
  tokenizer.encode(text, {}, tokens);
  return tokens;
}

}  // namespace

TEST_CASE("real vocabularies give the golden ids, and the text back", "[tokenizer][golden]") {
  const char* folder = getenv("SLUICE_MODELS");
  if (!folder) {
    WARN("skipped: SLUICE_MODELS does not name a folder with real models");
    return;
  }
  for (const std::string model : {"smollm2", "gemma3", "qwen"}) {
    std::filesystem::path path = std::filesystem::path(folder) / (model + ".slm");
    if (!std::filesystem::exists(path)) {
      WARN("skipped: " << path.string() << " is not there");
      continue;
    }
    std::unique_ptr<Opened> opened = open_model(path);
    for (const Golden& golden : kGolden) {
      if (golden.model != model) continue;
      CHECK(encoded(opened->tokenizer, golden.text) == golden.tokens);
      // A U+2581 in the text is a space to SentencePiece.
      std::string text = golden.text;
      size_t mark = text.find("\u2581");
      if (model == "gemma3" && mark != text.npos) text.replace(mark, 3, 1, ' ');
      CHECK(opened->tokenizer.decode(golden.tokens, false) == text);
    }
  }
}

}  // namespace sluice
