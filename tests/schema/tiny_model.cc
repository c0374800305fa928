// SPDX-License-Identifier: Apache-2.0
#include "tiny_model.h"

#include <algorithm>
#include <utility>

#include "schema/tile.h"

namespace sluice {

namespace {

constexpr uint32_t kModel = 64, kHeads = 4, kKvHeads = 2, kHeadDim = 16, kFf = 96, kLayers = 2, kVocab = 300;
constexpr uint32_t kFfExpert = 48, kExperts = 2;

uint64_t next(uint64_t& state) {  // splitmix64
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint32_t format_index(fb::HeaderT& header, const std::string& name) {
  for (uint32_t i = 0; i < header.formats.size(); ++i) {
    if (header.formats[i]->name == name) return i;
  }
  header.formats.push_back(format_object(*find_format(name)));
  return uint32_t(header.formats.size() - 1);
}

struct Member {
  fb::Role role;
  std::string format;
  uint32_t rows, cols;
};

// Adds one extent with its tensors.
void add(TinyParts& parts, fb::Access access, int layer, int expert, bool interleaved, std::vector<Member> members) {
  ExtentSpec extent;
  extent.access = access;
  extent.layer = layer;
  extent.expert = expert;
  extent.interleaved = interleaved;
  const uint32_t lanes = access == fb::Access::GatherRows ? 1 : kTileRows;
  for (const Member& member : members) {
    const FormatSpec& spec = *find_format(member.format);
    auto tensor = std::make_unique<fb::TensorT>();
    tensor->role = member.role;
    tensor->layer = layer;
    tensor->expert = expert;
    tensor->format = format_index(parts.header, member.format);
    tensor->rows = member.rows;
    tensor->cols = member.cols;
    tensor->extent = uint32_t(parts.extents.size());
    tensor->member = uint32_t(extent.members.size());
    tensor->source_name = "t" + std::to_string(parts.header.tensors.size());
    extent.members.push_back(uint32_t(parts.header.tensors.size()));
    extent.strip_bytes.push_back(uint32_t(strip_bytes(spec, member.cols, lanes)));
    extent.n_strips.push_back((member.rows + lanes - 1) / lanes);
    parts.header.tensors.push_back(std::move(tensor));
  }
  parts.extents.push_back(std::move(extent));
}

void add_vector(TinyParts& parts, fb::Role role, int layer, uint32_t n) {
  add(parts, fb::Access::GatherRows, layer, -1, false, {{role, "f32", 1, n}});
}

void add_feed_forward(TinyParts& parts, const TinyModel& model, int l) {
  const std::string f = model.matrix;
  if (!model.experts || l == 0) {
    add(parts, fb::Access::Stream, l, -1, true,
        {{fb::Role::FfnGate, f, kFf, kModel}, {fb::Role::FfnUp, f, kFf, kModel}});
    add(parts, fb::Access::Stream, l, -1, false, {{fb::Role::FfnDown, f, kModel, kFf}});
    return;
  }
  add(parts, fb::Access::Stream, l, -1, false, {{fb::Role::Router, "f32", kExperts, kModel}});
  add(parts, fb::Access::Stream, l, -1, true,
      {{fb::Role::SharedGate, f, kFfExpert, kModel}, {fb::Role::SharedUp, "q5_0", kFfExpert, kModel}});
  add(parts, fb::Access::Stream, l, -1, false, {{fb::Role::SharedDown, f, kModel, kFfExpert}});
  for (int x = 0; x < int(kExperts); ++x) {
    add(parts, fb::Access::GatherExpert, l, x, false,
        {{fb::Role::ExpertGate, f, kFfExpert, kModel},
         {fb::Role::ExpertUp, f, kFfExpert, kModel},
         {fb::Role::ExpertDown, "q6_k", kModel, kFfExpert}});
  }
}

std::unique_ptr<fb::ConfigT> tiny_config(const TinyModel& model) {
  auto config = std::make_unique<fb::ConfigT>();
  config->d_model = kModel;
  config->n_layers = kLayers;
  config->n_vocab = kVocab;
  config->n_ctx = 512;
  config->norm_eps = 1e-5f;
  config->tied_head = model.tied;
  auto rope = std::make_unique<fb::RopeT>();
  for (uint32_t j = 0; j < kHeadDim / 2; ++j) rope->inv_freq.push_back(1.0 / double(1 + j));
  config->ropes.push_back(std::move(rope));
  for (uint32_t l = 0; l < kLayers; ++l) {
    auto layer = std::make_unique<fb::LayerT>();
    layer->n_heads = kHeads;
    layer->n_kv_heads = kKvHeads;
    layer->head_dim = kHeadDim;
    layer->d_ff = kFf;
    layer->attn_scale = 0.25f;
    layer->window = l == 0 ? 0 : 128;
    if (model.experts && l == 1) {
      layer->n_experts = kExperts;
      layer->n_experts_used = 1;
      layer->d_ff_expert = kFfExpert;
      layer->d_ff_shared = kFfExpert;
    }
    config->layers.push_back(std::move(layer));
  }
  return config;
}

}  // namespace

std::unique_ptr<fb::VocabT> tiny_vocab() {
  auto vocab = std::make_unique<fb::VocabT>();
  std::vector<std::string> texts;
  for (int b = 0; b < 256; ++b) texts.push_back(std::string(1, char(b)));
  const auto merge = [&](uint32_t left, uint32_t right) {
    vocab->merge_left.push_back(left);
    vocab->merge_right.push_back(right);
    vocab->merge_rank.push_back(uint32_t(vocab->merge_left.size()));
    vocab->merge_result.push_back(uint32_t(texts.size()));
    texts.push_back(texts[left] + texts[right]);
  };
  for (uint32_t c = 'a'; c < 'a' + 20; ++c) merge(c, c + 1);
  merge(256, 258);  // "abcd"
  while (texts.size() < kVocab - 3) texts.push_back("<unused" + std::to_string(texts.size()) + ">");
  texts.insert(texts.end(), {"<s>", "</s>", "<tool>"});
  vocab->kind = fb::VocabKind::ByteBpe;
  vocab->pre = "gpt2";
  vocab->offsets.push_back(0);
  for (uint32_t i = 0; i < kVocab; ++i) {
    vocab->bytes.insert(vocab->bytes.end(), texts[i].begin(), texts[i].end());
    vocab->offsets.push_back(uint32_t(vocab->bytes.size()));
    vocab->types.push_back(uint8_t(i >= kVocab - 3 ? fb::TokenType::Control
                                   : i >= 277      ? fb::TokenType::Unused
                                                   : fb::TokenType::Normal));
    vocab->text_order.push_back(i);
  }
  std::sort(vocab->text_order.begin(), vocab->text_order.end(),
            [&](uint32_t a, uint32_t b) { return texts[a] != texts[b] ? texts[a] < texts[b] : a < b; });
  for (uint32_t bucket = 0; bucket <= 65536; ++bucket) {
    const auto before = [&](uint32_t token, uint32_t b) {
      const std::string& t = texts[token];
      return (uint32_t(uint8_t(t[0])) << 8 | (t.size() > 1 ? uint8_t(t[1]) : 0u)) < b;
    };
    vocab->text_buckets.push_back(
        uint32_t(std::lower_bound(vocab->text_order.begin(), vocab->text_order.end(), bucket, before) -
                 vocab->text_order.begin()));
  }
  vocab->special = {299, 298, 297};
  for (int b = 0; b < 256; ++b) vocab->byte_tokens.push_back(b);
  vocab->bos = 297;
  vocab->eos = 298;
  vocab->end_of_generation = {298};
  return vocab;
}

TinyParts tiny_parts(const TinyModel& model) {
  TinyParts parts;
  fb::HeaderT& header = parts.header;
  header.min_reader = "0.1.0";
  header.name = "tiny";
  header.architecture = "llama";
  header.source = "made by a test";
  header.layout = "packed";
  header.config = tiny_config(model);
  header.vocab = tiny_vocab();
  header.chat_template = "{{ messages }}";
  auto named = std::make_unique<fb::NamedTemplateT>();
  named->name = "tools";
  named->text = "{{ tools }}";
  header.chat_templates.push_back(std::move(named));
  header.sampling = std::make_unique<fb::SamplingDefaultsT>();
  const std::string f = model.matrix;
  add(parts, model.tied ? fb::Access::Both : fb::Access::GatherRows, -1, -1, false,
      {{fb::Role::TokenEmbedding, "q8_0", kVocab, kModel}});
  for (int l = 0; l < int(kLayers); ++l) {
    add_vector(parts, fb::Role::AttnNorm, l, kModel);
    add(parts, fb::Access::Stream, l, -1, false, {{fb::Role::AttnQ, f, kHeads * kHeadDim, kModel}});
    add(parts, fb::Access::Stream, l, -1, false, {{fb::Role::AttnK, f, kKvHeads * kHeadDim, kModel}});
    add(parts, fb::Access::Stream, l, -1, false, {{fb::Role::AttnV, "q6_k", kKvHeads * kHeadDim, kModel}});
    add_vector(parts, fb::Role::AttnQBias, l, kHeads * kHeadDim);
    add_vector(parts, fb::Role::AttnQNorm, l, kHeadDim);
    add_vector(parts, fb::Role::AttnKNorm, l, kHeadDim);
    add(parts, fb::Access::Stream, l, -1, false, {{fb::Role::AttnOutput, f, kModel, kHeads * kHeadDim}});
    add_vector(parts, fb::Role::FfnNorm, l, kModel);
    add_feed_forward(parts, model, l);
  }
  add_vector(parts, fb::Role::OutputNorm, -1, kModel);
  if (!model.tied) add(parts, fb::Access::Stream, -1, -1, false, {{fb::Role::OutputHead, f, kVocab, kModel}});
  if (model.head_order) {
    for (uint32_t i = 0; i < kVocab; ++i) header.head_row_order.push_back((i * 7) % kVocab);
  }
  return parts;
}

void split_into_planes(TinyParts& parts) {
  parts.header.layout = "planes";
  for (auto& format : parts.header.formats) {
    const uint32_t bit_bytes = format->block_inputs * kTileRows / 8;  // of one bit of every code of a block
    const uint32_t side_bytes = format->block_bytes - format->code_bits * bit_bytes;
    std::vector<uint8_t> split;
    uint8_t left = format->code_bits;
    for (const uint8_t bits : {uint8_t{2}, uint8_t{1}}) {
      if (format->code != fb::CodeKind::Unsigned || left <= bits) continue;
      split.push_back(bits);
      left = uint8_t(left - bits);
    }
    split.push_back(left);
    format->planes.clear();
    uint8_t shift = format->code_bits;
    for (size_t p = 0; p < split.size(); ++p) {
      shift = uint8_t(shift - split[p]);
      format->planes.emplace_back(split[p], shift, p == 0, 0, (p == 0 ? side_bytes : 0) + split[p] * bit_bytes);
    }
  }
  const size_t n_base = parts.extents.size();
  for (uint8_t plane = 0; plane < 3; ++plane) {
    for (size_t e = 0; e < n_base; ++e) {
      const ExtentSpec& base = parts.extents[e];
      ExtentSpec extent = base;
      extent.plane = plane;
      extent.members.clear();
      extent.strip_bytes.clear();
      extent.n_strips.clear();
      for (size_t m = 0; m < base.members.size(); ++m) {
        const fb::TensorT& tensor = *parts.header.tensors[base.members[m]];
        const fb::FormatT& format = *parts.header.formats[tensor.format];
        if (plane >= format.planes.size()) continue;
        const uint32_t lanes = base.access == fb::Access::GatherRows ? 1 : kTileRows;
        const uint32_t blocks = (tensor.cols + format.block_inputs - 1) / format.block_inputs;
        extent.members.push_back(base.members[m]);
        extent.strip_bytes.push_back(blocks * (format.planes[plane].bytes() / kTileRows) * lanes);
        extent.n_strips.push_back(base.n_strips[m]);
      }
      if (extent.members.empty()) continue;
      extent.interleaved = base.interleaved && extent.members.size() > 1;
      if (plane == 0) {
        parts.extents[e] = extent;
      } else {
        parts.extents.push_back(extent);
      }
    }
  }
}

Status write_tiny_model(const std::string& path, const TinyModel& model) {
  TinyParts parts = tiny_parts(model);
  if (model.planes) split_into_planes(parts);
  SlmWriter writer;
  for (const ExtentSpec& extent : parts.extents) writer.add_extent(extent);
  SLUICE_DO(writer.start(path, 1 << 20));
  uint64_t state = 1;
  for (uint32_t e = 0; e < parts.extents.size(); ++e) {
    for (uint32_t c = 0; c < writer.n_chunks(e); ++c) {
      std::vector<std::byte> data(writer.contents(e, c).bytes);
      for (std::byte& b : data) b = std::byte(next(state) >> 56 & 0x3b);  // no f16 and no f32 is infinite or NaN
      SLUICE_DO(writer.write_chunk(e, c, data));
    }
  }
  return writer.finish(std::move(parts.header));
}

}  // namespace sluice
