// SPDX-License-Identifier: Apache-2.0
#include "exercise.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <vector>

#include "schema/tile.h"

namespace sluice {

namespace {

// The first and the last row of every tensor of a packed file.
uint64_t exercise_weights(const SlmFile& file) {
  const fb::Header& header = *file.header();
  uint64_t sum = 0;
  for (uint32_t t = 0; t < size_of(header.tensors()); ++t) {
    const fb::Tensor& tensor = *header.tensors()->Get(t);
    const fb::Extent& extent = *header.extents()->Get(tensor.extent());
    const MemberPlace place = member_place(shape_of(header, extent), tensor.member());
    const FormatSpec spec = spec_of(*header.formats()->Get(tensor.format()));
    for (const uint32_t row : {0u, tensor.rows() - 1}) {
      const uint32_t strip = row / extent.rows_per_strip(), lane = row % extent.rows_per_strip();
      const uint32_t chunk = extent.first_chunk() + place.first_chunk + strip / place.strips_per_chunk;
      std::vector<std::byte> bytes(header.chunks()->Get(chunk)->bytes());
      if (!file.source()->read_at(header.chunks()->Get(chunk)->offset(), bytes).ok()) return ~uint64_t{0};
      const size_t at = place.strip_offset + size_t(strip % place.strips_per_chunk) * place.strip_stride;
      const std::span<std::byte> exact = std::span(bytes).subspan(at, place.strip_bytes);
      const std::vector<std::byte> copy(exact.begin(), exact.end());  // so that a sanitizer knows where it ends
      if (header.layout()->string_view() == "packed") {
        std::vector<float> out(tensor.cols());
        dequantize_row(spec, tensor.cols(), extent.rows_per_strip(), lane, copy.data(), out.data());
        sum += std::bit_cast<uint32_t>(out.back());
      } else {
        sum += uint64_t(copy.back());
      }
    }
  }
  for (uint32_t e = 0; e < size_of(header.extents()); ++e) {
    const fb::Extent& extent = *header.extents()->Get(e);
    const ExtentShape shape = shape_of(header, extent);
    for (uint32_t c = 0; c < extent.n_chunks(); ++c) sum += chunk_contents(shape, c).bytes;
  }
  return sum;
}

uint64_t exercise_vocab(const fb::Vocab& vocab) {
  const uint32_t n = vocab.offsets()->size() - 1;
  std::vector<std::string_view> texts;
  for (uint32_t i = 0; i < n; ++i) {
    const uint32_t begin = vocab.offsets()->Get(i), end = vocab.offsets()->Get(i + 1);
    texts.emplace_back(reinterpret_cast<const char*>(vocab.bytes()->data()) + begin, end - begin);
  }
  uint64_t sum = 0;
  for (const std::string_view text : texts) {  // found again through the buckets
    const uint32_t first = text.empty() ? 0 : uint8_t(text[0]), second = text.size() < 2 ? 0 : uint8_t(text[1]);
    const uint32_t* order = vocab.text_order()->data();
    const uint32_t* buckets = vocab.text_buckets()->data() + (first << 8 | second);
    const uint32_t* found = std::lower_bound(order + buckets[0], order + buckets[1], text,
                                             [&](uint32_t id, std::string_view t) { return texts[id] < t; });
    sum += found != order + buckets[1] ? *found : 0;
  }
  for (uint32_t m = 0; m < size_of(vocab.merge_left()); ++m) {
    sum += texts[vocab.merge_left()->Get(m)].size() + texts[vocab.merge_right()->Get(m)].size() +
           texts[vocab.merge_result()->Get(m)].size() + vocab.merge_rank()->Get(m);
  }
  for (uint32_t i = 0; i < size_of(vocab.special()); ++i) sum += uint8_t(texts[vocab.special()->Get(i)][0]);
  for (int32_t id : *vocab.byte_tokens()) sum += id < 0 ? 0 : texts[uint32_t(id)].size();
  for (int32_t id : {vocab.bos(), vocab.eos(), vocab.unk(), vocab.pad()})
    sum += id < 0 ? 0 : texts[uint32_t(id)].size();
  for (uint32_t i = 0; i < size_of(vocab.end_of_generation()); ++i)
    sum += texts[vocab.end_of_generation()->Get(i)].size();
  return sum;
}

}  // namespace

uint64_t exercise(const SlmFile& file) { return exercise_weights(file) + exercise_vocab(*file.header()->vocab()); }

}  // namespace sluice
