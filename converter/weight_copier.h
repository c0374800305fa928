// SPDX-License-Identifier: Apache-2.0
// Moves the weights of a described model from the source file into the extents of a .slm file, strip by strip. What it
// holds at any time is one chunk, one strip of source rows and one read window per tensor of an extent.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"
#include "converter/archs/architecture.h"
#include "schema/writer.h"

namespace sluice {

class WeightCopier {
 public:
  WeightCopier(const Gguf& gguf, const ModelDescription& model) : gguf_(gguf), model_(model) {}

  // Announces all extents to the writer and fills header.formats and header.tensors.
  void announce(SlmWriter& writer, fb::HeaderT& header);

  uint64_t total_bytes() const { return total_bytes_; }

  // After writer.start(). `progress` as in ConvertOptions; kCancelled when it returns false.
  Status copy(SlmWriter& writer, const std::function<bool(uint64_t, uint64_t)>& progress);

 private:
  const Gguf& gguf_;
  const ModelDescription& model_;
  uint64_t total_bytes_ = 0;
};

}  // namespace sluice
