// SPDX-License-Identifier: Apache-2.0
#include "converter/weight_copier.h"

#include <cstring>
#include <string>

#include "base/check.h"
#include "converter/byte_window.h"
#include "converter/pack.h"

namespace sluice {

namespace {

constexpr size_t kReadWindow = 1 << 20;

// Vectors are float32 whatever the source has; matrices keep their format.
const FormatSpec& native_format(const TensorUse& use) {
  const FormatSpec* spec = find_format(is_vector(use.role) ? "f32" : use.source->format->native);
  SLUICE_CHECK(spec != nullptr);
  return *spec;
}

uint32_t format_index(fb::HeaderT& header, const FormatSpec& spec) {
  for (uint32_t f = 0; f < header.formats.size(); ++f) {
    if (header.formats[f]->name == spec.name) return f;
  }
  header.formats.push_back(format_object(spec));
  return uint32_t(header.formats.size() - 1);
}

// Row (or element of a vector) of the source that becomes row `r`. Rotation pairs: row 2j + s of a head becomes row
// s * head_dim / 2 + j.
uint32_t source_index(const TensorUse& use, uint32_t r) {
  if (use.order == fb::RowOrder::Plain) return r;
  const uint32_t half = use.head_dim / 2, i = r % use.head_dim;
  return r - i + 2 * (i % half) + i / half;
}

// One tensor on its way: reads its rows in any order and delivers strips.
class StripSource {
 public:
  StripSource(const Gguf& gguf, const TensorUse& use, uint32_t lanes)
      : use_(use), native_(native_format(use)), lanes_(lanes), window_(gguf.file_of(*use.source), kReadWindow) {
    rows_.resize(size_t(use.source->row_bytes()) * lanes);
  }

  Status write_strip(uint32_t strip, std::byte* out) {
    const size_t row_bytes = size_t(use_.source->row_bytes());
    const uint32_t first = strip * lanes_;
    const uint32_t n_rows = use_.rows - first < lanes_ ? use_.rows - first : lanes_;
    const uint8_t* pointers[kTileRows];
    for (uint32_t r = 0; r < n_rows; ++r) {
      const uint32_t row = is_vector(use_.role) ? 0 : source_index(use_, first + r);
      SLUICE_TRY(const uint8_t* from, window_.view(use_.source->offset + row * row_bytes, row_bytes));
      memcpy(rows_.data() + r * row_bytes, from, row_bytes);
      pointers[r] = rows_.data() + r * row_bytes;
    }
    if (is_vector(use_.role)) {
      write_vector(out);
    } else {
      pack_strip(*use_.source->format, native_, use_.cols, lanes_, pointers, n_rows, out);
    }
    return {};
  }

 private:
  void write_vector(std::byte* out) {
    std::vector<float> values(use_.cols);
    widen_numbers(*use_.source->format, rows_.data(), use_.cols, values.data());
    if (!use_.source->as_stored()) {
      for (float& x : values) x = x * use_.source->times + use_.source->plus;
    }
    for (uint32_t i = 0; i < use_.cols; ++i) memcpy(out + 4 * size_t(i), &values[source_index(use_, i)], 4);
  }

  const TensorUse& use_;
  const FormatSpec& native_;
  uint32_t lanes_;
  ByteWindow window_;
  std::vector<uint8_t> rows_;
};

}  // namespace

void WeightCopier::announce(SlmWriter& writer, fb::HeaderT& header) {
  for (const Part& part : model_.parts) {
    const uint32_t lanes = part.row_major ? 1 : kTileRows;
    ExtentSpec spec;
    spec.access = part.row_major ? fb::Access::GatherRows : part.access;
    spec.layer = part.layer;
    spec.interleaved = part.members.size() > 1;
    const uint32_t extent = uint32_t(&part - model_.parts.data());
    for (const TensorUse& use : part.members) {
      const FormatSpec& native = native_format(use);
      const uint64_t bytes = strip_bytes(native, use.cols, lanes);
      SLUICE_CHECK(bytes <= kMaxChunkBytes);
      auto tensor = std::make_unique<fb::TensorT>();
      tensor->role = use.role;
      tensor->layer = use.layer;
      tensor->format = format_index(header, native);
      tensor->rows = use.rows;
      tensor->cols = use.cols;
      tensor->extent = extent;
      tensor->member = uint32_t(spec.members.size());
      tensor->source_name = use.source->name;
      tensor->row_order = use.order;
      spec.members.push_back(uint32_t(header.tensors.size()));
      spec.strip_bytes.push_back(uint32_t(bytes));
      spec.n_strips.push_back((use.rows + lanes - 1) / lanes);
      header.tensors.push_back(std::move(tensor));
      header.n_parameters += uint64_t(use.rows) * use.cols;
      total_bytes_ += bytes * spec.n_strips.back();
    }
    SLUICE_CHECK(writer.add_extent(spec) == extent);
  }
}

Status WeightCopier::copy(SlmWriter& writer, const std::function<bool(uint64_t, uint64_t)>& progress) {
  uint64_t done = 0;
  std::vector<std::byte> chunk;
  for (uint32_t extent = 0; extent < model_.parts.size(); ++extent) {
    const Part& part = model_.parts[extent];
    const uint32_t lanes = part.row_major ? 1 : kTileRows;
    std::vector<StripSource> sources;
    std::vector<size_t> strip_sizes;
    for (const TensorUse& use : part.members) {
      sources.emplace_back(gguf_, use, lanes);
      strip_sizes.push_back(size_t(strip_bytes(native_format(use), use.cols, lanes)));
    }
    for (uint32_t c = 0; c < writer.n_chunks(extent); ++c) {
      if (progress && !progress(done, total_bytes_)) {
        return make_error(Code::kCancelled, gguf_.file().path(), kNoOffset, "the conversion was cancelled");
      }
      const ChunkContents contents = writer.contents(extent, c);
      chunk.resize(size_t(contents.bytes));
      std::byte* out = chunk.data();
      for (uint32_t s = contents.first_strip; s < contents.first_strip + contents.n_strips; ++s) {
        for (size_t m = 0; m < sources.size(); ++m) {
          SLUICE_DO(sources[m].write_strip(s, out));
          out += strip_sizes[m];
        }
      }
      SLUICE_DO(writer.write_chunk(extent, c, chunk));
      done += contents.bytes;
    }
  }
  if (progress && !progress(done, total_bytes_)) {
    return make_error(Code::kCancelled, gguf_.file().path(), kNoOffset, "the conversion was cancelled");
  }
  return {};
}

}  // namespace sluice
