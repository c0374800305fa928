// SPDX-License-Identifier: Apache-2.0
// Limits of a header, each at its edge: the limit itself is not what a file is refused for, one more is. The number of
// chunks and of merges is left out: a header that reaches them takes hundreds of megabytes.
#include <functional>
#include <string>

#include "slm_bytes.h"
#include "support/catch.h"

namespace sluice {

namespace {

// Why the tiny model with this change is refused; empty if it is not.
std::string refusal(const std::function<void(fb::HeaderT&, uint32_t)>& set, uint32_t value) {
  Bytes file = tiny_bytes({});
  fb::HeaderT header;
  fb::GetHeader(file.data() + load<Preamble>(file, 0).header_offset)->UnPackTo(&header);
  set(header, value);
  replace_header(file, header);
  Accountant accountant(0);
  const auto opened = open_bytes(file, accountant);
  return opened.ok() ? "" : opened.error().message;
}

template <class T>
void resize(std::vector<std::unique_ptr<T>>& list, uint32_t n) {
  while (list.size() > n) list.pop_back();
  while (list.size() < n) list.push_back(std::make_unique<T>(*list.front()));
}

struct Limit {
  const char* reason;
  uint32_t most;
  std::function<void(fb::HeaderT&, uint32_t)> set;
};

}  // namespace

TEST_CASE("each limit of a header is allowed, and one more is refused") {
  using fb::HeaderT;
  const auto text = [](uint32_t n) { return std::string(n, 'x'); };
  const Limit limits[] = {
      {"formats, at most", kMaxFormats, [](HeaderT& h, uint32_t n) { resize(h.formats, n); }},
      {"tensors, at most", kMaxTensors, [](HeaderT& h, uint32_t n) { resize(h.tensors, n); }},
      {"extents, at most", kMaxExtents, [](HeaderT& h, uint32_t n) { resize(h.extents, n); }},
      {"members with", kMaxMembers,
       [](HeaderT& h, uint32_t n) { h.extents[2]->members.resize(n), h.extents[2]->strip_bytes.resize(n); }},
      {"columns, each must be", kMaxDimension, [](HeaderT& h, uint32_t n) { h.tensors[3]->rows = n; }},
      {"columns, each must be", kMaxDimension, [](HeaderT& h, uint32_t n) { h.tensors[3]->cols = n; }},
      {"model width", kMaxDimension, [](HeaderT& h, uint32_t n) { h.config->d_model = n; }},
      {"feed-forward width", kMaxDimension, [](HeaderT& h, uint32_t n) { h.config->layers[0]->d_ff = n; }},
      {"a shared expert", kMaxDimension, [](HeaderT& h, uint32_t n) { h.config->layers[0]->d_ff_shared = n; }},
      {"layers, ", kMaxLayers, [](HeaderT& h, uint32_t n) { h.config->n_layers = n, resize(h.config->layers, n); }},
      {"a vocabulary of", kMaxVocab, [](HeaderT& h, uint32_t n) { h.config->n_vocab = n; }},
      {"offsets, 2 to", kMaxVocab, [](HeaderT& h, uint32_t n) { h.vocab->offsets.resize(n + 1); }},
      {"a context of", kMaxContext, [](HeaderT& h, uint32_t n) { h.config->n_ctx = n; }},
      {"key-value heads", kMaxHeads,
       [](HeaderT& h, uint32_t n) { h.config->layers[0]->n_heads = h.config->layers[0]->n_kv_heads = n; }},
      {"heads of", kMaxHeadDim / 2, [](HeaderT& h, uint32_t n) { h.config->layers[0]->head_dim = 2 * n; }},
      {"experts of width", kMaxExperts,
       [](HeaderT& h, uint32_t n) {
         fb::LayerT& layer = *h.config->layers[0];
         layer.n_experts = n, layer.n_experts_used = 1, layer.d_ff_expert = 64;
       }},
      {"ropes", kMaxRopes, [](HeaderT& h, uint32_t n) { resize(h.config->ropes, n); }},
      {"a head has at most", kMaxHeadDim / 2,
       [](HeaderT& h, uint32_t n) { h.config->ropes[0]->inv_freq.assign(n, 0.5); }},
      {"the text of token 299", kMaxTokenBytes,
       [](HeaderT& h, uint32_t n) {
         h.vocab->bytes.resize(h.vocab->offsets[299] + n);
         h.vocab->offsets[300] = uint32_t(h.vocab->bytes.size());
       }},
      {"the text of token 299", kMaxUnigramBytes,
       [](HeaderT& h, uint32_t n) {
         h.vocab->kind = fb::VocabKind::Unigram;
         h.vocab->bytes.resize(h.vocab->offsets[299] + n);
         h.vocab->offsets[300] = uint32_t(h.vocab->bytes.size());
       }},
      {"pre-tokenizer's name", kMaxNameBytes, [=](HeaderT& h, uint32_t n) { h.vocab->pre = text(n); }},
      {"a name of", kMaxNameBytes, [=](HeaderT& h, uint32_t n) { h.name = text(n); }},
      {"a name of", kMaxNameBytes, [=](HeaderT& h, uint32_t n) { h.architecture = text(n); }},
      {"a name of", kMaxNameBytes, [=](HeaderT& h, uint32_t n) { h.source = text(n); }},
      {"the name is too long", kMaxNameBytes, [=](HeaderT& h, uint32_t n) { h.formats[0]->name = text(n); }},
      {"the name is too long", kMaxNameBytes, [=](HeaderT& h, uint32_t n) { h.tensors[0]->source_name = text(n); }},
      {"too many required", kMaxNameBytes, [=](HeaderT& h, uint32_t n) { h.min_reader = text(n); }},
      {"too many required", kMaxFeatures, [](HeaderT& h, uint32_t n) { h.required_features.assign(n, "x"); }},
      {"chat templates", kMaxTemplates, [](HeaderT& h, uint32_t n) { resize(h.chat_templates, n); }},
      {"chat template", kMaxTemplateBytes, [=](HeaderT& h, uint32_t n) { h.chat_template = text(n); }},
      {"chat template 0", kMaxTemplateBytes, [=](HeaderT& h, uint32_t n) { h.chat_templates[0]->text = text(n); }},
      {"chat template 0", kMaxNameBytes, [=](HeaderT& h, uint32_t n) { h.chat_templates[0]->name = text(n); }},
  };
  for (const Limit& limit : limits) {
    const std::string at = refusal(limit.set, limit.most), above = refusal(limit.set, limit.most + 1);
    INFO(limit.reason << " at " << limit.most << ": \"" << at << "\", above: \"" << above << "\"");
    CHECK(at.find(limit.reason) == std::string::npos);
    CHECK(above.find(limit.reason) != std::string::npos);
  }
}

TEST_CASE("the length of a header is bounded by the preamble") {
  const auto refused = [](uint64_t header_bytes) {
    Bytes file = tiny_bytes({});
    auto preamble = load<Preamble>(file, 0);
    preamble.header_bytes = header_bytes;
    store(file, 0, preamble);
    sign_preamble(file);
    Accountant accountant(0);
    const auto opened = open_bytes(file, accountant);
    REQUIRE(!opened.ok());
    return opened.error().message;
  };
  const auto names_length = [](const std::string& message) {
    return message.find("536870912 are allowed") != std::string::npos;
  };
  CHECK(names_length(refused(7)));
  CHECK(!names_length(refused(8)));
  CHECK(!names_length(refused(kMaxHeaderBytes)));  // refused, for it lies outside this file
  CHECK(names_length(refused(kMaxHeaderBytes + 1)));
}

}  // namespace sluice
