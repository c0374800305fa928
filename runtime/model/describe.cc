// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/describe.h"

#include <algorithm>
#include <cstdio>

#include "runtime/chat/chat_template.h"
#include "runtime/model/json_writer.h"
#include "runtime/weights/place.h"

namespace sluice {
namespace {

std::string_view text_of(const flatbuffers::String* text) { return text ? text->string_view() : std::string_view(); }

template <class Vector>
uint32_t count(const Vector* vector) {
  return vector ? vector->size() : 0;
}

void describe_config(const fb::Config& config, JsonWriter& json) {
  json.member("d_model", config.d_model()).member("n_layers", config.n_layers()).member("n_vocab", config.n_vocab());
  json.member("n_ctx", config.n_ctx()).member("norm_eps", config.norm_eps());
  json.member("embedding_scale", config.embedding_scale()).member("final_softcap", config.final_softcap());
  json.member("tied_head", config.tied_head()).key("ropes").array();
  for (const fb::Rope* rope : *config.ropes()) {
    json.object().member("n_rot", 2 * count(rope->inv_freq())).member("magnitude", rope->magnitude()).end_object();
  }
  json.end_array();
}

void describe_layer(const fb::Layer& layer, JsonWriter& json) {
  json.object().member("n_heads", layer.n_heads()).member("n_kv_heads", layer.n_kv_heads());
  json.member("head_dim", layer.head_dim()).member("d_ff", layer.d_ff()).member("rope", layer.rope());
  json.member("window", layer.window()).member("attn_scale", layer.attn_scale());
  json.member("attn_softcap", layer.attn_softcap()).member("activation", fb::EnumNameActivation(layer.activation()));
  json.member("n_experts", layer.n_experts()).end_object();
}

void describe_format(const fb::Format& format, JsonWriter& json) {
  json.object().member("name", text_of(format.name())).member("code", fb::EnumNameCodeKind(format.code()));
  json.member("code_bits", format.code_bits()).member("scale", fb::EnumNameScaleKind(format.scale()));
  json.member("group_size", format.group_size()).member("zero_point", format.zero_point());
  json.member("table", count(format.table()) > 0);
  json.member("bits_per_weight", 8.0 * format.block_bytes() / (16.0 * format.block_inputs())).end_object();
}

void describe_tensor(const fb::Header& header, uint32_t index, JsonWriter& json) {
  const fb::Tensor& t = *header.tensors()->Get(index);
  const MemberPlace place = tensor_place(header, index).member;
  json.object().member("name", text_of(t.source_name())).member("role", fb::EnumNameRole(t.role()));
  json.member("layer", t.layer()).member("format", text_of(header.formats()->Get(t.format())->name()));
  json.member("rows", t.rows()).member("cols", t.cols());
  json.member("bytes", uint64_t(place.n_strips) * place.strip_bytes);
  json.member("access", fb::EnumNameAccess(header.extents()->Get(t.extent())->access())).end_object();
}

void describe_extent(const fb::Header& header, const fb::Extent& extent, JsonWriter& json) {
  uint64_t bytes = 0;
  for (uint32_t c = 0; c < extent.n_chunks(); ++c) bytes += header.chunks()->Get(extent.first_chunk() + c)->bytes();
  json.object().member("access", fb::EnumNameAccess(extent.access())).member("layer", extent.layer());
  json.key("members").array();
  for (uint32_t member : *extent.members()) json.value(member);
  json.end_array().member("interleaved", extent.interleaved());
  json.member("offset", extent.n_chunks() ? header.chunks()->Get(extent.first_chunk())->offset() : 0);
  json.member("bytes", bytes).member("n_chunks", extent.n_chunks()).end_object();
}

void describe_vocab(const fb::Vocab& vocab, const Tokenizer& tokenizer, JsonWriter& json) {
  json.object().member("kind", fb::EnumNameVocabKind(vocab.kind())).member("pre", text_of(vocab.pre()));
  json.member("n_vocab", tokenizer.n_vocab()).member("n_merges", count(vocab.merge_rank()));
  uint32_t longest = 0;
  for (uint32_t i = 0; i + 1 < count(vocab.offsets()); ++i)
    longest = std::max(longest, vocab.offsets()->Get(i + 1) - vocab.offsets()->Get(i));
  json.member("longest_text_bytes", longest);
  json.member("bos", vocab.bos()).member("eos", vocab.eos()).member("unk", vocab.unk()).member("pad", vocab.pad());
  json.member("add_bos", vocab.add_bos()).member("add_eos", vocab.add_eos()).key("end_of_generation").array();
  for (uint32_t i = 0; i < count(vocab.end_of_generation()); ++i) json.value(vocab.end_of_generation()->Get(i));
  json.end_array().end_object();
}

void describe_sampling(const fb::SamplingDefaults& s, JsonWriter& json) {
  json.member("temp", s.temp()).member("top_k", s.top_k()).member("top_p", s.top_p()).member("min_p", s.min_p());
  json.member("repeat_penalty", s.repeat_penalty()).member("penalty_last_n", s.penalty_last_n());
  json.member("xtc_probability", s.xtc_probability()).member("xtc_threshold", s.xtc_threshold());
  json.member("mirostat", s.mirostat()).member("mirostat_tau", s.mirostat_tau());
  json.member("mirostat_eta", s.mirostat_eta());
}

}  // namespace

std::string describe_model(const Model& model) {
  const fb::Header& header = model.header();
  JsonWriter json;
  json.object().member("name", text_of(header.name())).member("architecture", text_of(header.architecture()));
  json.member("source", text_of(header.source())).member("layout", text_of(header.layout()));
  json.member("format_version", header.format_version()).member("file_bytes", header.file_bytes());
  char hash[17];
  snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(model.file().preamble().header_hash));
  json.member("hash", std::string_view(hash))
      .member("n_parameters", header.n_parameters())
      .member("vocabulary_only", model.vocabulary_only());
  json.key("config").object();
  if (header.config()) describe_config(*header.config(), json);
  json.end_object().key("layers").array();
  for (uint32_t l = 0; header.config() && l < count(header.config()->layers()); ++l)
    describe_layer(*header.config()->layers()->Get(l), json);
  json.end_array().key("formats").array();
  for (uint32_t f = 0; f < count(header.formats()); ++f) describe_format(*header.formats()->Get(f), json);
  json.end_array().key("tensors").array();
  for (uint32_t t = 0; t < count(header.tensors()); ++t) describe_tensor(header, t, json);
  json.end_array().key("extents").array();
  for (uint32_t e = 0; e < count(header.extents()); ++e) describe_extent(header, *header.extents()->Get(e), json);
  json.end_array().key("vocab");
  describe_vocab(*header.vocab(), model.tokenizer(), json);
  json.member("chat_template", text_of(header.chat_template()));
  const Result<ChatTemplate> parsed = ChatTemplate::parse(model.chat_template());
  json.member("chat_template_problem", parsed.ok() ? std::string_view() : std::string_view(parsed.error().message));
  json.key("sampling").object();
  if (header.sampling()) describe_sampling(*header.sampling(), json);
  json.end_object().end_object();
  return json.take();
}

}  // namespace sluice
