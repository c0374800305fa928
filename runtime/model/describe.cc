// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/describe.h"

#include <nlohmann/json.hpp>

#include "runtime/weights/place.h"

namespace sluice {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const flatbuffers::String* text) { return text ? text->str() : std::string(); }

template <class Vector>
uint32_t count(const Vector* vector) {
  return vector ? vector->size() : 0;
}

Json describe_config(const fb::Config& config) {
  Json ropes = Json::array();
  for (const fb::Rope* rope : *config.ropes())
    ropes.push_back({{"n_rot", 2 * count(rope->inv_freq())}, {"magnitude", rope->magnitude()}});
  return {{"d_model", config.d_model()},
          {"n_layers", config.n_layers()},
          {"n_vocab", config.n_vocab()},
          {"n_ctx", config.n_ctx()},
          {"norm_eps", config.norm_eps()},
          {"embedding_scale", config.embedding_scale()},
          {"final_softcap", config.final_softcap()},
          {"tied_head", config.tied_head()},
          {"ropes", std::move(ropes)}};
}

Json describe_layer(const fb::Layer& layer) {
  return {{"n_heads", layer.n_heads()},
          {"n_kv_heads", layer.n_kv_heads()},
          {"head_dim", layer.head_dim()},
          {"d_ff", layer.d_ff()},
          {"rope", layer.rope()},
          {"window", layer.window()},
          {"attn_scale", layer.attn_scale()},
          {"attn_softcap", layer.attn_softcap()},
          {"activation", fb::EnumNameActivation(layer.activation())},
          {"n_experts", layer.n_experts()}};
}

Json describe_format(const fb::Format& format) {
  return {{"name", text_of(format.name())},
          {"code", fb::EnumNameCodeKind(format.code())},
          {"code_bits", format.code_bits()},
          {"scale", fb::EnumNameScaleKind(format.scale())},
          {"group_size", format.group_size()},
          {"zero_point", format.zero_point()},
          {"table", count(format.table()) > 0},
          {"bits_per_weight", 8.0 * format.block_bytes() / (16.0 * format.block_inputs())}};
}

Json describe_tensor(const fb::Header& header, uint32_t index) {
  const fb::Tensor& t = *header.tensors()->Get(index);
  const MemberPlace place = tensor_place(header, index).member;
  return {{"name", text_of(t.source_name())},
          {"role", fb::EnumNameRole(t.role())},
          {"layer", t.layer()},
          {"format", text_of(header.formats()->Get(t.format())->name())},
          {"rows", t.rows()},
          {"cols", t.cols()},
          {"bytes", uint64_t(place.n_strips) * place.strip_bytes},
          {"access", fb::EnumNameAccess(header.extents()->Get(t.extent())->access())}};
}

Json describe_extent(const fb::Header& header, const fb::Extent& extent) {
  uint64_t bytes = 0;
  for (uint32_t c = 0; c < extent.n_chunks(); ++c) bytes += header.chunks()->Get(extent.first_chunk() + c)->bytes();
  Json members = Json::array();
  for (uint32_t member : *extent.members()) members.push_back(member);
  return {{"access", fb::EnumNameAccess(extent.access())},
          {"layer", extent.layer()},
          {"members", std::move(members)},
          {"interleaved", extent.interleaved()},
          {"offset", extent.n_chunks() ? header.chunks()->Get(extent.first_chunk())->offset() : 0},
          {"bytes", bytes},
          {"n_chunks", extent.n_chunks()}};
}

Json describe_vocab(const fb::Vocab& vocab, const Tokenizer& tokenizer) {
  Json ends = Json::array();
  if (vocab.end_of_generation())
    for (uint32_t token : *vocab.end_of_generation()) ends.push_back(token);
  return {{"kind", fb::EnumNameVocabKind(vocab.kind())},
          {"pre", text_of(vocab.pre())},
          {"n_vocab", tokenizer.n_vocab()},
          {"n_merges", count(vocab.merge_rank())},
          {"bos", vocab.bos()},
          {"eos", vocab.eos()},
          {"unk", vocab.unk()},
          {"pad", vocab.pad()},
          {"add_bos", vocab.add_bos()},
          {"add_eos", vocab.add_eos()},
          {"end_of_generation", std::move(ends)}};
}

}  // namespace

std::string describe_model(const Model& model) {
  const fb::Header& header = model.header();
  Json all = {{"name", text_of(header.name())},
              {"architecture", text_of(header.architecture())},
              {"source", text_of(header.source())},
              {"layout", text_of(header.layout())},
              {"format_version", header.format_version()},
              {"file_bytes", header.file_bytes()},
              {"n_parameters", header.n_parameters()},
              {"vocabulary_only", model.vocabulary_only()}};
  for (const char* key : {"config", "layers", "formats", "tensors", "extents"}) all[key] = Json::array();
  all["config"] = header.config() ? describe_config(*header.config()) : Json::object();
  if (header.config())
    for (const fb::Layer* layer : *header.config()->layers()) all["layers"].push_back(describe_layer(*layer));
  if (header.formats())
    for (const fb::Format* format : *header.formats()) all["formats"].push_back(describe_format(*format));
  for (uint32_t t = 0; t < count(header.tensors()); ++t) all["tensors"].push_back(describe_tensor(header, t));
  if (header.extents())
    for (const fb::Extent* extent : *header.extents()) all["extents"].push_back(describe_extent(header, *extent));
  all["vocab"] = describe_vocab(*header.vocab(), model.tokenizer());
  all["chat_template"] = text_of(header.chat_template());
  all["sampling"] = Json::object();
  if (const fb::SamplingDefaults* s = header.sampling())
    all["sampling"] = {{"temp", s->temp()},
                       {"top_k", s->top_k()},
                       {"top_p", s->top_p()},
                       {"min_p", s->min_p()},
                       {"repeat_penalty", s->repeat_penalty()}};
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace sluice
