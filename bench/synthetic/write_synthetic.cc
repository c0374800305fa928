// SPDX-License-Identifier: Apache-2.0
#include "bench/synthetic/write_synthetic.h"

#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include "bench/synthetic/byte_vocabulary.h"
#include "bench/synthetic/random_strips.h"
#include "schema/writer.h"

namespace sluice {

using fb::Access;
using fb::Role;

namespace {

struct Matrix {
  Role role;
  uint32_t rows, cols;
};

std::unique_ptr<fb::ConfigT> config_of(const SyntheticShape& s) {
  auto config = std::make_unique<fb::ConfigT>();
  config->d_model = s.d_model, config->n_layers = s.n_layers, config->n_vocab = s.n_vocab, config->n_ctx = s.n_ctx;
  config->norm_eps = 1e-5f;
  config->embedding_scale = std::sqrt(float(s.d_model));  // embeddings of the variance 1, as all that follows
  config->tied_head = s.tied_head;
  auto rope = std::make_unique<fb::RopeT>();
  for (uint32_t j = 0; j < s.head_dim / 2; ++j) {
    rope->inv_freq.push_back(std::pow(s.rope_base, -2.0 * j / s.head_dim));
  }
  config->ropes.push_back(std::move(rope));
  for (uint32_t l = 0; l < s.n_layers; ++l) {
    auto layer = std::make_unique<fb::LayerT>();
    layer->n_heads = s.n_heads, layer->n_kv_heads = s.n_kv_heads, layer->head_dim = s.head_dim, layer->d_ff = s.d_ff;
    layer->attn_scale = 1 / std::sqrt(float(s.head_dim));
    config->layers.push_back(std::move(layer));
  }
  return config;
}

class SyntheticWriter {
 public:
  explicit SyntheticWriter(const SyntheticShape& shape) : shape_(shape), format_(*find_format(shape.format)) {
    header_.min_reader = "0.1.0";
    header_.name = "synthetic " + shape.name + " " + shape.format;
    header_.architecture = "synthetic";
    header_.source = "random weights, seed " + std::to_string(shape.seed);
    header_.layout = "packed";
    header_.config = config_of(shape);
    header_.vocab = byte_vocabulary(shape.n_vocab);
    header_.formats.push_back(format_object(*find_format("f32")));
    header_.formats.push_back(format_object(format_));
    announce();
  }

  Result<SyntheticReport> write(const std::string& path, const std::function<bool(uint64_t, uint64_t)>& progress) {
    SLUICE_DO(writer_.start(path, header_bytes(), PageCache::kDrop));
    uint64_t done = 0;
    std::vector<std::byte> chunk;
    for (uint32_t e = 0; e < parts_.size(); ++e) {
      for (uint32_t c = 0; c < writer_.n_chunks(e); ++c) {
        if (progress && !progress(done, writer_.weight_bytes())) {
          return make_error(Code::kCancelled, path, kNoOffset, "cancelled");
        }
        const ChunkContents contents = writer_.contents(e, c);
        chunk.resize(size_t(contents.bytes));
        fill(e, contents, chunk.data());
        SLUICE_DO(writer_.write_chunk(e, c, chunk));
        done += contents.bytes;
      }
    }
    SyntheticReport report;
    report.n_parameters = header_.n_parameters;
    SLUICE_DO(writer_.finish(std::move(header_)));
    struct stat info;
    if (stat(path.c_str(), &info) == 0) report.file_bytes = uint64_t(info.st_size);
    return report;
  }

 private:
  // In the order of FORMAT.md: embedding, layers, final norm, head.
  void announce() {
    const SyntheticShape& s = shape_;
    const uint32_t q = s.n_heads * s.head_dim, kv = s.n_kv_heads * s.head_dim;
    add(s.tied_head ? Access::Both : Access::GatherRows, -1, {{Role::TokenEmbedding, s.n_vocab, s.d_model}});
    for (int32_t l = 0; l < int32_t(s.n_layers); ++l) {
      add(Access::GatherRows, l, {{Role::AttnNorm, 1, s.d_model}});
      add(Access::Stream, l, {{Role::AttnQ, q, s.d_model}});
      add(Access::Stream, l, {{Role::AttnK, kv, s.d_model}});
      add(Access::Stream, l, {{Role::AttnV, kv, s.d_model}});
      add(Access::Stream, l, {{Role::AttnOutput, s.d_model, q}});
      add(Access::GatherRows, l, {{Role::FfnNorm, 1, s.d_model}});
      add(Access::Stream, l, {{Role::FfnGate, s.d_ff, s.d_model}, {Role::FfnUp, s.d_ff, s.d_model}});
      add(Access::Stream, l, {{Role::FfnDown, s.d_model, s.d_ff}});
    }
    add(Access::GatherRows, -1, {{Role::OutputNorm, 1, s.d_model}});
    if (!s.tied_head) add(Access::Stream, -1, {{Role::OutputHead, s.n_vocab, s.d_model}});
  }

  void add(Access access, int32_t layer, std::vector<Matrix> members) {
    const uint32_t lanes = lanes_of(access);
    ExtentSpec extent;
    extent.access = access, extent.layer = layer;
    extent.interleaved = members.size() > 1;
    for (const Matrix& m : members) {
      const FormatSpec& spec = is_vector(m.role) ? *find_format("f32") : format_;
      auto tensor = std::make_unique<fb::TensorT>();
      tensor->role = m.role, tensor->layer = layer;
      tensor->format = is_vector(m.role) ? 0 : 1;
      tensor->rows = m.rows, tensor->cols = m.cols;
      tensor->extent = uint32_t(parts_.size()), tensor->member = uint32_t(extent.members.size());
      tensor->source_name = (layer < 0 ? "" : "layer " + std::to_string(layer) + " ") + fb::EnumNameRole(m.role);
      extent.members.push_back(uint32_t(header_.tensors.size()));
      extent.strip_bytes.push_back(uint32_t(strip_bytes(spec, m.cols, lanes)));
      extent.n_strips.push_back((m.rows + lanes - 1) / lanes);
      header_.tensors.push_back(std::move(tensor));
      header_.n_parameters += uint64_t{m.rows} * m.cols;
      if (!is_vector(m.role) && !strips_.count({m.cols, lanes})) {
        strips_.try_emplace({m.cols, lanes}, format_, m.cols, lanes, shape_.seed ^ m.cols ^ uint64_t{lanes} << 32);
      }
    }
    writer_.add_extent(extent);
    parts_.push_back({access, std::move(members)});
  }

  void fill(uint32_t extent, const ChunkContents& contents, std::byte* out) {
    const Part& part = parts_[extent];
    const uint32_t lanes = lanes_of(part.access);
    uint64_t state = shape_.seed;
    state = next_random(state) + (uint64_t{extent} << 32 | contents.first_strip);
    if (is_vector(part.members[0].role)) return fill_norm(state, part.members[0].cols, out);
    for (uint32_t s = contents.first_strip; s < contents.first_strip + contents.n_strips; ++s) {
      for (const Matrix& m : part.members) {
        const RandomStrips& strips = strips_.at({m.cols, lanes});
        strips.write(next_random(state), std::min(lanes, m.rows - s * lanes), out);
        out += strips.strip_bytes();
      }
    }
  }

  static void fill_norm(uint64_t state, uint32_t n, std::byte* out) {
    for (uint32_t i = 0; i < n; ++i, out += sizeof(float)) {
      const float weight = 0.75f + float(next_random(state) >> 40) * 0x1p-25f;  // 0.75 to 1.25
      memcpy(out, &weight, sizeof weight);
    }
  }

  static uint32_t lanes_of(Access access) { return access == Access::GatherRows ? 1 : kTileRows; }

  uint64_t header_bytes() const {
    return header_.vocab->bytes.size() + uint64_t{shape_.n_vocab} * 16 + header_.tensors.size() * 256 +
           writer_.weight_bytes() / kMinChunkBytes * sizeof(fb::Chunk) + (1 << 20);
  }

  struct Part {
    Access access;
    std::vector<Matrix> members;
  };

  const SyntheticShape& shape_;
  const FormatSpec& format_;
  fb::HeaderT header_;
  SlmWriter writer_;
  std::vector<Part> parts_;                                       // by extent
  std::map<std::pair<uint32_t, uint32_t>, RandomStrips> strips_;  // by columns and lanes
};

}  // namespace

Result<SyntheticReport> write_synthetic(const SyntheticShape& shape, const std::string& path,
                                        const std::function<bool(uint64_t, uint64_t)>& progress) {
  SLUICE_DO(check_synthetic_shape(shape));
  SyntheticWriter writer(shape);
  return writer.write(path, progress);
}

}  // namespace sluice
