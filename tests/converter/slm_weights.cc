// SPDX-License-Identifier: Apache-2.0
#include "slm_weights.h"

#include <cstdio>
#include <cstdlib>

#include "schema/tile.h"

namespace sluice::test {

namespace {
template <class R>
auto need(R result) {
  if (!result.ok()) {
    fprintf(stderr, "%s\n", result.error().text().c_str());
    abort();
  }
  return std::move(result).value();
}
}  // namespace

SlmWeights::SlmWeights(const std::string& path) {
  file_ = std::make_unique<SlmFile>(need(open_slm(need(FileSource::open(path)), accountant_)));
}

const fb::Tensor* SlmWeights::find(const std::string& source_name) const {
  for (const fb::Tensor* tensor : *header().tensors()) {
    if (tensor->source_name()->str() == source_name) return tensor;
  }
  return nullptr;
}

const fb::Tensor* SlmWeights::find(fb::Role role, int32_t layer) const {
  for (const fb::Tensor* tensor : *header().tensors()) {
    if (tensor->role() == role && tensor->layer() == layer) return tensor;
  }
  return nullptr;
}

std::vector<float> SlmWeights::row(const fb::Tensor& tensor, uint32_t r) {
  const fb::Extent& e = extent(tensor);
  const MemberPlace place = member_place(shape_of(header(), e), tensor.member());
  const uint32_t lanes = e.rows_per_strip(), strip = r / lanes;
  const uint32_t index = e.first_chunk() + place.first_chunk + strip / place.strips_per_chunk;
  if (index != chunk_index_) {
    chunk_.resize(header().chunks()->Get(index)->bytes());
    if (const Status status = file_->read_chunk(index, chunk_); !status.ok()) {
      fprintf(stderr, "%s\n", status.error().text().c_str());
      abort();
    }
    chunk_index_ = index;
  }
  const size_t at = place.strip_offset + size_t(strip % place.strips_per_chunk) * place.strip_stride;
  std::vector<float> out(tensor.cols());
  dequantize_row(spec_of(*header().formats()->Get(tensor.format())), tensor.cols(), lanes, r % lanes,
                 chunk_.data() + at, out.data());
  return out;
}

std::vector<float> source_weights(uint32_t type, const uint8_t* blocks, uint64_t n) {
  const BlockFormat& format = *find_block_format(type);
  std::vector<float> weights(n);
  for (uint64_t i = 0; i < n; ++i) weights[i] = source_weight(format, blocks, i);
  return weights;
}

}  // namespace sluice::test
