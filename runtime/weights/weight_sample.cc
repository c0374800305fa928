// SPDX-License-Identifier: Apache-2.0
#include "runtime/weights/weight_sample.h"

#include <algorithm>
#include <map>

#include "base/checked.h"
#include "runtime/weights/place.h"

namespace sluice {
namespace {

// What makes two chunks of equal use: a list of numbers for each tensor that lies in it, and its size.
using Kind = std::vector<uint32_t>;

void add_tensor(const Model& model, uint32_t tensor, std::map<uint32_t, Kind>& kinds) {
  const MemberPlace place = tensor_place(model.header(), tensor).member;
  const fb::Tensor& t = model.tensor(tensor);
  for (uint32_t c = place.first_chunk; c < place.first_chunk + place.n_chunks; ++c) {
    Kind& kind = kinds[c];
    kind.insert(kind.end(), {uint32_t(t.role()), t.format(), t.cols(), place.strips_per_chunk, place.strip_stride,
                             place.strip_offset});
  }
}

}  // namespace

std::vector<uint32_t> weight_sample(const Model& model, const ModelTensors& tensors, uint64_t bytes) {
  std::map<uint32_t, Kind> kinds;  // by chunk
  for (const LayerTensors& t : tensors.layers)
    for (uint32_t tensor : {t.q, t.k, t.v, t.attn_output, t.gate, t.up, t.down}) add_tensor(model, tensor, kinds);
  add_tensor(model, tensors.head, kinds);
  std::map<Kind, std::vector<uint32_t>> chunks;  // by kind, in file order
  uint64_t total = 0;
  for (auto& [chunk, kind] : kinds) {
    const uint32_t chunk_bytes = model.header().chunks()->Get(chunk)->bytes();
    total += round_up(uint64_t(chunk_bytes), kSlmAlignment);
    kind.push_back(chunk_bytes);
    chunks[kind].push_back(chunk);
  }
  std::vector<uint32_t> sample(model.header().chunks()->size(), Model::kAbsent);
  const double share = total > bytes ? double(bytes) / double(total) : 1;
  for (const auto& [kind, same] : chunks) {
    const size_t n = std::max<size_t>(size_t(double(same.size()) * share), 1);
    for (size_t i = 0; i < same.size(); ++i) sample[same[i]] = same[i % n];
  }
  return sample;
}

}  // namespace sluice
