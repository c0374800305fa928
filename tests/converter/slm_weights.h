// SPDX-License-Identifier: Apache-2.0
// A converted file opened again, and any row of any of its tensors as floats, through the reader and the slow oracle.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "converter/source_weights.h"
#include "schema/reader.h"

namespace sluice::test {

class SlmWeights {
 public:
  // Aborts the test program with the reason if the reader refuses the file.
  explicit SlmWeights(const std::string& path);

  const fb::Header& header() const { return *file_->header(); }
  const fb::Tensor* find(const std::string& source_name) const;  // null if there is none
  const fb::Tensor* find(fb::Role role, int32_t layer) const;
  const fb::Extent& extent(const fb::Tensor& tensor) const { return *header().extents()->Get(tensor.extent()); }

  // Row r of the tensor as stored.
  std::vector<float> row(const fb::Tensor& tensor, uint32_t r);

 private:
  Accountant accountant_{0};
  std::unique_ptr<SlmFile> file_;
  std::vector<std::byte> chunk_;
  uint32_t chunk_index_ = ~0u;
};

// `n` weights of a run of source blocks.
std::vector<float> source_weights(uint32_t type, const uint8_t* blocks, uint64_t n);

}  // namespace sluice::test
