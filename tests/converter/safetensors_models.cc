// SPDX-License-Identifier: Apache-2.0
// The folders that make_hf_models.py wrote, each a small random model of one family: converted, its outputs compared
// with those of the transformers library in float32, its tokenizer with the tokenizers library. SLUICE_HF_MODELS names
// the folder that holds them; without it this is skipped (exit code 77) and says so.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "program.h"
#include "runtime/tokenizer/tokenizer.h"
#include "schema/reader.h"
#include "support/temporary_folder.h"

namespace {

using namespace sluice;
using Json = nlohmann::json;
namespace fs = std::filesystem;

// Both compute in float32, in another order: mean KL is 1e-13 and less.
constexpr double kMostMeanKl = 1e-11, kMostKl = 1e-10;

Json read_json(const fs::path& path) {
  std::ifstream file(path);
  return Json::parse(file, nullptr, false);
}

int fail(const std::string& why, const Ran& ran) {
  printf("FAILED: %s\nexit code %d\n%.2000s\n%.4000s\n", why.c_str(), ran.code, ran.out.c_str(), ran.err.c_str());
  return 1;
}

int check_outputs(const fs::path& model, const std::string& slm) {
  const Ran ran = run_sluice({"eval", slm, "--device", "reference", "--reference", model / "reference.json", "--json"});
  if (ran.code != 0) return fail("eval", ran);
  const Json result = Json::parse(ran.out, nullptr, false);
  const double mean = result.value("kl_mean", 1.0), most = result.value("kl_max", 1.0);
  const double top1 = result.value("top1_agreement", 0.0);
  printf("  outputs: %d positions, mean KL %.2g, greatest %.2g, top-1 %.3f\n", result.value("positions", 0), mean, most,
         top1);
  if (mean <= kMostMeanKl && most <= kMostKl && top1 == 1) return 0;
  return fail("the outputs differ from the reference", ran);
}

int check_tokens(const fs::path& model, const std::string& slm) {
  Accountant accountant(0);
  auto source = FileSource::open(slm);
  if (!source.ok()) return printf("FAILED: %s\n", source.error().text().c_str()), 1;
  const auto file = open_slm(*source, accountant);
  if (!file.ok()) return printf("FAILED: %s\n", file.error().text().c_str()), 1;
  const auto tokenizer = Tokenizer::open((*file).header()->vocab());
  if (!tokenizer.ok()) return printf("FAILED: %s\n", tokenizer.error().text().c_str()), 1;
  const Json vectors = read_json(model / "tokens.json");
  int n = 0, different = 0;
  for (const Json& v : vectors) {
    const std::string text = v.value("text", "");
    std::vector<int32_t> got;
    tokenizer->encode(text, {.add_special = false, .parse_special = true}, got);
    ++n;
    if (Json(got) == v["tokens"]) continue;
    if (++different <= 5) {
      printf("  %s\n    expected %s\n    got      %s\n", Json(text).dump().c_str(), v["tokens"].dump().c_str(),
             Json(got).dump().c_str());
    }
  }
  printf("  tokens: %d of %d texts differ\n", different, n);
  if (n > 100 && different == 0) return 0;
  printf("FAILED: the tokens differ from the reference\n");
  return 1;
}

int check_model(const fs::path& model, const std::string& slm) {
  printf("%s\n", model.filename().c_str());
  const Ran ran = run_sluice({"convert", model, "-o", slm, "--json"});
  if (ran.code != 0) return fail("convert", ran);
  printf("%s", ran.err.c_str());
  const int outputs = check_outputs(model, slm), tokens = check_tokens(model, slm);
  return outputs + tokens;
}

}  // namespace

int main() {
  const char* folder = getenv("SLUICE_HF_MODELS");
  if (!folder || !fs::is_directory(folder)) {
    printf("==== SKIPPED: SLUICE_HF_MODELS does not name a folder made by tests/converter/make_hf_models.py ====\n");
    return 77;
  }
  std::vector<fs::path> models;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (fs::exists(entry.path() / "reference.json")) models.push_back(entry.path());
  }
  std::sort(models.begin(), models.end());
  const TemporaryFolder place;
  int failures = models.empty();
  for (const fs::path& model : models) failures += check_model(model, place / "model.slm");
  printf("%zu models, %d failures\n", models.size(), failures);
  return failures > 0;
}
