// SPDX-License-Identifier: Apache-2.0
// Folders with random changes in any of their files are refused with a reason, or converted into something that the
// reader of .slm files accepts: what the fuzz target looks for longer.
#include <filesystem>

#include "safetensors_folder.h"
#include "schema/allocation_watch.h"
#include "schema/reader.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

// Bytes overwritten, runs taken out or doubled, numbers exchanged for extreme ones.
void mutate(std::string& text, Rng& rng) {
  constexpr const char* kNumbers[] = {"0",     "-1", "4294967295", "9223372036854775807", "1e300", "null",
                                      "\"x\"", "[]", "{}"};
  if (text.empty()) return;
  for (uint64_t n = 1 + rng() % 3; n > 0; --n) {
    const size_t at = rng() % text.size(), length = std::min<size_t>(1 + rng() % 20, text.size() - at);
    switch (rng() % 5) {
      case 0:
        text[at] = char(rng());
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      default: {
        const size_t begin = text.find_first_of("0123456789", at);
        if (begin == text.npos) break;
        const size_t end = std::min(text.find_first_not_of("0123456789.", begin), text.size());
        text.replace(begin, end - begin, kNumbers[rng() % std::size(kNumbers)]);
      }
    }
    if (text.empty()) return;
  }
}

}  // namespace

TEST_CASE("mutants of folders are refused with a reason or converted into a valid file",
          "[converter][hostile][safetensors]") {
  TemporaryFolder place;
  Rng rng(GENERATE(1, 2, 3));
  uint32_t n_refused = 0, n_converted = 0;
  for (int i = 0; i < 250; ++i) {
    ToyFolderOptions o;
    o.model.architecture = std::vector<std::string>{"llama", "qwen2", "gemma3", "phi3", "minicpm"}[rng() % 5];
    o.model.d_model = 32, o.model.n_heads = 2, o.model.n_kv_heads = 1, o.model.d_ff = 32, o.model.n_layers = 1;
    o.model.matrix_type = o.model.embedding_type = toy::kBF16;
    o.fused = o.model.architecture == "phi3";
    ToyFolder toy = toy_folder(o);
    std::string config = toy.config.dump(), tokenizer = toy.tokenizer.dump(), header = toy.weights.header_json().dump();
    std::string* const texts[] = {&config, &tokenizer, &header, &toy.files["tokenizer_config.json"]};
    mutate(*texts[rng() % 4], rng);
    toy.files["config.json"] = config, toy.files["tokenizer.json"] = tokenizer, toy.weights.header = header;
    toy.write(place / "model");
    watch_allocations();
    const auto report = convert_file(place / "model", place / "out.slm");
    if (largest_allocation() > (8 << 20)) FAIL("an allocation of " << largest_allocation());
    if (!report.ok()) {
      ++n_refused;
      const Error& e = report.error();
      if (e.code != Code::kBadModel || e.message.empty() || !e.place.starts_with(place / "model")) FAIL(e.text());
      continue;
    }
    ++n_converted;
    Accountant accountant(0);
    const auto slm = open_slm(FileSource::open(place / "out.slm").value(), accountant);
    if (!slm.ok()) FAIL("the reader refuses what the converter wrote: " << slm.error().text());
  }
  CHECK(n_refused > 50);
  CHECK(n_converted > 5);
}

}  // namespace sluice::test
