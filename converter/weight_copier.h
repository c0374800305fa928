// SPDX-License-Identifier: Apache-2.0
// Moves the weights of a described model from the source file into the extents of a .slm file, strip by strip, as they
// are or quantized. What it holds at any time is, for each of a few threads, a run of chunks, and one read window and
// perhaps a strip of rows per tensor of an extent.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "converter/archs/architecture.h"
#include "converter/quantize_mix.h"
#include "schema/writer.h"

namespace sluice {

class WeightCopier {
 public:
  // All three must outlive the copier.
  WeightCopier(const Gguf& gguf, const ModelDescription& model, const Recipes& recipes)
      : gguf_(gguf), model_(model), recipes_(recipes) {}

  // Announces all extents to the writer and fills header.formats and header.tensors.
  void announce(SlmWriter& writer, fb::HeaderT& header);

  uint64_t total_bytes() const { return total_bytes_; }

  // After writer.start(). `progress` as in ConvertOptions, on the calling thread; kCancelled when it returns false.
  // n_threads 0: as many as compute well here. Never more than fit the memory. `notice` hears of weights that are no
  // numbers; kBadModel where they cannot be quantized.
  Status copy(SlmWriter& writer, int n_threads, const std::function<bool(uint64_t, uint64_t)>& progress,
              const std::function<void(const std::string&)>& notice);

 private:
  const Gguf& gguf_;
  const ModelDescription& model_;
  const Recipes& recipes_;
  uint64_t total_bytes_ = 0;
};

}  // namespace sluice
