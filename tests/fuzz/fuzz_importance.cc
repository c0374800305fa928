// SPDX-License-Identifier: Apache-2.0
// libFuzzer: an input is an importance file. What is accepted holds only numbers that can weigh errors, and does so
// while toy models are quantized: every encoder of a mix meets it, and the reader of .slm files accepts what they made.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "schema/reader.h"
#include "sluice/convert.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

ToyOptions float_toy(uint32_t width) {
  ToyOptions o;
  o.matrix_type = o.embedding_type = toy::kBF16;
  o.d_model = width, o.d_ff = width, o.n_heads = 2, o.n_kv_heads = 1, o.n_layers = 1, o.n_vocab = 310;
  return o;
}

struct Place {
  TemporaryFolder folder;
  int fd = memfd_create("fuzz.gguf", 0);
  std::string input = "/proc/self/fd/" + std::to_string(fd), output = folder / "out.slm";
  std::string narrow = folder / "narrow.gguf", wide = folder / "wide.gguf";  // blocks of 32; super-blocks of 256

  Place() {
    make_toy_gguf(narrow, float_toy(32));
    make_toy_gguf(wide, float_toy(256));
  }
};
Place& place() {
  setenv("TMPDIR", "/dev/shm", 0);
  static Place place;
  return place;
}

void must(bool good, const char* what, const std::string& why = "") {
  if (good) return;
  fprintf(stderr, "%s: %s\n", what, why.c_str());
  abort();
}

void check_list(const std::vector<InputImportance>& list) {
  must(!list.empty(), "an empty list was accepted");
  for (const InputImportance& entry : list) {
    must(entry.rows > 0, "an entry that was never used", entry.tensor);
    for (float x : entry.mean_squares) must(std::isfinite(x) && x >= 0, "a number that weighs nothing", entry.tensor);
  }
}

void quantize(const std::string& model, QuantizeTo to) {
  Place& at = place();
  ConvertOptions options;
  options.quantize = to, options.importance = at.input, options.n_threads = 1;
  const auto report = convert_file(model, at.output, options);
  if (!report.ok()) {
    must(report.error().code == Code::kBadModel && !report.error().message.empty(), "an error of another kind");
    return;
  }
  Accountant accountant(0);
  const auto slm = open_slm(FileSource::open(at.output).value(), accountant);
  if (!slm.ok()) must(false, "the reader refuses what the converter wrote", slm.error().text());
  unlink(at.output.c_str());
}

void try_file(const uint8_t* data, size_t size) {
  Place& at = place();
  if (ftruncate(at.fd, 0) != 0 || pwrite(at.fd, data, size, 0) != ssize_t(size)) abort();
  const auto list = read_importance(at.input);
  if (!list.ok()) {
    must(list.error().code == Code::kBadModel && !list.error().message.empty(), "an error of another kind");
    return;
  }
  check_list(*list);
  quantize(at.narrow, QuantizeTo::kQ8), quantize(at.narrow, QuantizeTo::kQ4), quantize(at.narrow, QuantizeTo::kQ4Small);
  quantize(at.wide, QuantizeTo::kQ4);
}

// Importance of all matrices of both toys, and of none.
void seed_corpus(const std::string& folder) {
  Rng rng(1);
  for (const uint32_t width : {32u, 256u}) {
    std::vector<InputImportance> list;
    for (const GgufBuilder::Tensor& t : toy_gguf(float_toy(width)).tensors) {
      if (t.dims.size() < 2) continue;
      InputImportance& entry = list.emplace_back();
      entry.tensor = t.name, entry.rows = 7;
      for (uint64_t i = 0; i < t.dims[0]; ++i) entry.mean_squares.push_back(float(rng() % 100) / 10);
    }
    (void)write_importance(folder + "/toy-" + std::to_string(width), list, "text", 1, 64).ok();
    list.resize(1);
    list[0].tensor = "nothing";
    (void)write_importance(folder + "/none-" + std::to_string(width), list, "text", 1, 64).ok();
  }
}

}  // namespace

}  // namespace sluice::test

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc > 1 && std::filesystem::is_directory((*argv)[1])) sluice::test::seed_corpus((*argv)[1]);
  return 0;
}

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::test::try_file(data, size);
  return 0;
}
