// SPDX-License-Identifier: Apache-2.0
// compare_gguf MODEL.gguf…: converts each model and compares every weight with the literal decoder, bit by bit. Without
// arguments: all .gguf files in the folder that SLUICE_MODELS names; says loudly when there is none.
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "converter/byte_window.h"
#include "converter/gguf.h"
#include "converter/source_weights.h"
#include "slm_weights.h"
#include "sluice/convert.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

constexpr int kSkipped = 77;

uint32_t source_row(const fb::Tensor& tensor, uint32_t r, uint32_t head_dim) {
  if (tensor.row_order() == fb::RowOrder::Plain) return r;
  const uint32_t s = r % head_dim / (head_dim / 2), j = r % (head_dim / 2);
  return r / head_dim * head_dim + 2 * j + s;
}

// Compares every `n_shares`-th tensor from `share` on; returns the number of weights that differ.
uint64_t compare_share(const Gguf& gguf, const std::string& slm_path, size_t share, size_t n_shares,
                       uint64_t& n_weights) {
  SlmWeights slm(slm_path);
  uint64_t wrong = 0;
  for (size_t t = share; t < gguf.tensors().size(); t += n_shares) {
    const GgufTensor& source = gguf.tensors()[t];
    const fb::Tensor* tensor = slm.find(source.name);
    if (source.name == "rope_freqs.weight") continue;  // becomes a table in the header
    if (!tensor) {
      printf("%s is not in the converted file\n", source.name.c_str());
      ++wrong;
      continue;
    }
    const bool vector = is_vector(tensor->role());
    const uint32_t head_dim =
        tensor->layer() < 0 ? 2 : slm.header().config()->layers()->Get(uint32_t(tensor->layer()))->head_dim();
    ByteWindow window(gguf.file(), 1 << 20);
    for (uint32_t r = 0; r < tensor->rows(); ++r) {
      const uint64_t at = source.offset + (vector ? 0 : source_row(*tensor, r, head_dim)) * source.row_bytes();
      const auto bytes = window.view(at, size_t(source.row_bytes()));
      if (!bytes.ok()) return printf("%s\n", bytes.error().text().c_str()), ~uint64_t{0};
      const std::vector<float> got = slm.row(*tensor, r);
      for (uint32_t c = 0; c < tensor->cols(); ++c) {
        const uint32_t from = vector ? source_row(*tensor, c, head_dim) : c;
        const float expected = source_weight(*source.format, bytes.value(), from);
        wrong += std::bit_cast<uint32_t>(got[c]) != std::bit_cast<uint32_t>(expected);
      }
      n_weights += tensor->cols();
    }
  }
  return wrong;
}

bool compare(const std::string& path) {
  TemporaryFolder folder;
  const std::string slm_path = folder / "model.slm";
  const auto report = convert_file(path, slm_path);
  const auto gguf = Gguf::open(path);
  if (!report.ok() || !gguf.ok()) {
    printf("%s\n", (report.ok() ? gguf.error() : report.error()).text().c_str());
    return false;
  }
  const size_t n_threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<uint64_t> wrong(n_threads), weights(n_threads);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < n_threads; ++i) {
    threads.emplace_back([&, i] { wrong[i] = compare_share(gguf.value(), slm_path, i, n_threads, weights[i]); });
  }
  uint64_t all_wrong = 0, all_weights = 0;
  for (size_t i = 0; i < n_threads; ++i) threads[i].join(), all_wrong += wrong[i], all_weights += weights[i];
  printf("%s: %llu weights compared, %llu differ\n", path.c_str(), static_cast<unsigned long long>(all_weights),
         static_cast<unsigned long long>(all_wrong));
  return all_wrong == 0 && all_weights > 0;
}

int run(std::vector<std::string> paths) {
  if (paths.empty()) {
    const char* models = getenv("SLUICE_MODELS");
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(models ? models : "", none)) {
      if (entry.path().extension() == ".gguf") paths.push_back(entry.path().string());
    }
  }
  if (paths.empty()) {
    printf("SKIPPED: no real model was compared. Set SLUICE_MODELS to a folder with .gguf files\n");
    return kSkipped;
  }
  bool good = true;
  for (const std::string& path : paths) good = compare(path) && good;
  return good ? 0 : 1;
}

}  // namespace

}  // namespace sluice::test

int main(int argc, char** argv) { return sluice::test::run({argv + 1, argv + argc}); }
