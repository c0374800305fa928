// SPDX-License-Identifier: Apache-2.0
// One contradiction at a time in an otherwise good header: each is refused for its own reason.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "exercise.h"
#include "schema/text_order.h"
#include "slm_bytes.h"
#include "support/catch.h"

namespace sluice {

namespace {

using Change = std::function<void(fb::HeaderT&)>;

Bytes changed(const Change& change, const TinyModel& model = {}) {
  Bytes file = tiny_bytes(model);
  fb::HeaderT header;
  fb::GetHeader(file.data() + load<Preamble>(file, 0).header_offset)->UnPackTo(&header);
  change(header);
  replace_header(file, header);
  return file;
}

// Why the tiny model with this change is refused; empty if it is not.
std::string refusal(const Change& change, const TinyModel& model = {}) {
  Bytes file = changed(change, model);
  Accountant accountant(0);
  const auto opened = open_bytes(file, accountant);
  if (opened.ok()) return "";
  CHECK(opened.error().code == Code::kBadModel);
  CHECK(opened.error().place == "mutant.slm");
  CHECK(opened.error().offset == load<Preamble>(file, 0).header_offset);
  return opened.error().message;
}

struct Refusal {
  const char* reason;
  Change change;
};

void check_all(const std::vector<Refusal>& refusals, const TinyModel& model = {}) {
  for (const Refusal& r : refusals) {
    const std::string message = refusal(r.change, model);
    INFO("expected: " << r.reason << "; refused with: " << message);
    CHECK(message.find(r.reason) != std::string::npos);
  }
}

uint32_t tensor_of(const fb::HeaderT& h, fb::Role role) {
  for (uint32_t t = 0; t < h.tensors.size(); ++t) {
    if (h.tensors[t]->role == role) return t;
  }
  FAIL("no such tensor");
  return 0;
}

fb::ExtentT& extent_of(fb::HeaderT& h, fb::Role role) { return *h.extents[h.tensors[tensor_of(h, role)]->extent]; }

// Takes a tensor that has an extent and a chunk of its own out of the header.
void remove_tensor(fb::HeaderT& h, uint32_t t) {
  const uint32_t e = h.tensors[t]->extent, c = h.extents[e]->first_chunk;
  h.tensors.erase(h.tensors.begin() + t);
  h.extents.erase(h.extents.begin() + e);
  h.chunks.erase(h.chunks.begin() + c);
  for (auto& tensor : h.tensors) tensor->extent -= tensor->extent > e;
  for (auto& extent : h.extents) {
    extent->first_chunk -= extent->first_chunk > c;
    for (uint32_t& member : extent->members) member -= member > t;
  }
}

void move_chunk(fb::HeaderT& h, uint32_t c, uint64_t offset) {
  h.chunks[c] = fb::Chunk(offset, h.chunks[c].bytes(), h.chunks[c].reserved(), h.chunks[c].hash());
}

}  // namespace

TEST_CASE("an unchanged header that is packed again is accepted") {
  CHECK(refusal([](fb::HeaderT&) {}).empty());
  CHECK(refusal([](fb::HeaderT&) {}, {false, true, true, true, "q6_k"}).empty());
}

TEST_CASE("rope frequencies at both ends of what is allowed are accepted") {
  CHECK(refusal([](fb::HeaderT& h) { h.config->ropes[0]->inv_freq[1] = kMaxRopeFrequency; }).empty());
  CHECK(refusal([](fb::HeaderT& h) { h.config->ropes[0]->inv_freq[1] = 0; }).empty());
}

TEST_CASE("headers of a newer format are refused with what they need") {
  check_all({
      {"format version 2", [](fb::HeaderT& h) { h.format_version = 2; }},
      {"\"sparse\"", [](fb::HeaderT& h) { h.required_features = {"sparse"}; }},
      {"3.1.4",
       [](fb::HeaderT& h) {
         h.required_features = {"sparse"};
         h.min_reader = "3.1.4";
       }},
      {"the preamble of", [](fb::HeaderT& h) { h.file_bytes = 0; }},
      {"the layout is neither", [](fb::HeaderT& h) { h.layout = "loose"; }},
      {"chat template", [](fb::HeaderT& h) { h.chat_template.assign(kMaxTemplateBytes + 1, 'x'); }},
      {"chat template 0", [](fb::HeaderT& h) { h.chat_templates[0]->text.assign(kMaxTemplateBytes + 1, 'x'); }},
      {"a name of", [](fb::HeaderT& h) { h.name.assign(kMaxNameBytes + 1, 'x'); }},
  });
  CHECK(refusal([](fb::HeaderT& h) { h.chat_template.assign(kMaxTemplateBytes, 'x'); }).empty());
  CHECK(refusal([](fb::HeaderT& h) { h.name.assign(kMaxNameBytes, 'x'); }).empty());
}

TEST_CASE("contradictions among formats, tensors and extents are refused") {
  using fb::HeaderT;
  using fb::Role;
  check_all({
      {"is not a block", [](HeaderT& h) { h.formats[0]->block_bytes = 1087; }},
      {"its planes are not", [](HeaderT& h) { h.formats[0]->planes.clear(); }},
      {"a table of 3",
       [](HeaderT& h) {
         h.formats[0]->table = {1, 2, 3};
       }},
      {"zero point", [](HeaderT& h) { h.formats[0]->zero_point = 1; }},
      {"format 9 of", [](HeaderT& h) { h.tensors[3]->format = 9; }},
      {"rows and", [](HeaderT& h) { h.tensors[3]->rows = 0; }},
      {"rows and", [](HeaderT& h) { h.tensors[3]->cols = kMaxDimension + 1; }},
      {"extent 1000 of", [](HeaderT& h) { h.tensors[3]->extent = 1000; }},
      {"is not this tensor's first plane", [](HeaderT& h) { h.tensors[3]->member = 1; }},
      {"is not this tensor's first plane", [](HeaderT& h) { h.tensors[3]->extent = 4; }},
      {"unknown row order", [](HeaderT& h) { h.tensors[3]->row_order = fb::RowOrder(7); }},
      {"unknown access", [](HeaderT& h) { h.extents[2]->access = fb::Access(9); }},
      {"strip sizes", [](HeaderT& h) { h.extents[2]->strip_bytes.push_back(1); }},
      {"do not alternate", [](HeaderT& h) { extent_of(h, Role::FfnGate).interleaved = false; }},
      {"one member cannot alternate", [](HeaderT& h) { extent_of(h, Role::FfnDown).interleaved = true; }},
      {"rows per strip", [](HeaderT& h) { h.extents[2]->rows_per_strip = 8; }},
      {"rows per strip", [](HeaderT& h) { h.extents[2]->rows_per_strip = 0; }},
      {"do not suit its access", [](HeaderT& h) { h.extents[2]->expert = 0; }},
      {"another layer", [](HeaderT& h) { h.extents[2]->layer = 1; }},
      {"strips of tensor", [](HeaderT& h) { h.extents[2]->strip_bytes[0] += 16; }},
      {"strips, ", [](HeaderT& h) { h.extents[2]->n_strips += 1; }},
      {"strips per chunk of", [](HeaderT& h) { h.extents[2]->strips_per_chunk = 0; }},
      {"strips per chunk of", [](HeaderT& h) { h.extents[2]->strips_per_chunk = 5; }},
      {"chunks, 1 expected", [](HeaderT& h) { h.extents[2]->n_chunks = 2; }},
      {"are taken", [](HeaderT& h) { h.extents[2]->first_chunk = 0; }},
      {"but the extents hold", [](HeaderT& h) { h.chunks.push_back(h.chunks.back()); }},
      {"its hash is not", [](HeaderT& h) { h.extents[2]->hash = 1; }},
  });
}

TEST_CASE("chunks outside the file, over each other or over the header are refused") {
  using fb::HeaderT;
  check_all({
      {"after the chunk before", [](HeaderT& h) { move_chunk(h, 0, 0); }},
      {"after the chunk before", [](HeaderT& h) { move_chunk(h, 0, 4097); }},
      {"after the chunk before", [](HeaderT& h) { move_chunk(h, 1, h.chunks[0].offset()); }},
      {"do not lie inside", [](HeaderT& h) { move_chunk(h, uint32_t(h.chunks.size() - 1), uint64_t{1} << 40); }},
      {"do not lie inside", [](HeaderT& h) { move_chunk(h, uint32_t(h.chunks.size() - 1), ~uint64_t{4095}); }},
      {"overlaps the header",
       [](HeaderT& h) { move_chunk(h, uint32_t(h.chunks.size() - 1), h.chunks.back().offset() + 4096); }},
      {"its 19 strips have",
       [](HeaderT& h) { h.chunks[0] = fb::Chunk(h.chunks[0].offset(), h.chunks[0].bytes() - 1, 0, 0); }},
      {"reserved",
       [](HeaderT& h) { h.chunks[0] = fb::Chunk(h.chunks[0].offset(), h.chunks[0].bytes(), 1, h.chunks[0].hash()); }},
  });
}

TEST_CASE("a configuration with impossible numbers is refused") {
  using fb::HeaderT;
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  check_all({
      {"no configuration", [](HeaderT& h) { h.config.reset(); }},
      {"model width", [](HeaderT& h) { h.config->d_model = 0; }},
      {"layers, 2 described", [](HeaderT& h) { h.config->n_layers = 3; }},
      {"1 to 512 are allowed", [](HeaderT& h) { h.config->n_layers = 0, h.config->layers.clear(); }},
      {"a vocabulary of", [](HeaderT& h) { h.config->n_vocab = kMaxVocab + 1; }},
      {"a context of", [](HeaderT& h) { h.config->n_ctx = 0; }},
      {"norm epsilon", [](HeaderT& h) { h.config->norm_eps = 0; }},
      {"norm epsilon", [=](HeaderT& h) { h.config->norm_eps = nan; }},
      {"embedding scale", [=](HeaderT& h) { h.config->embedding_scale = inf; }},
      {"final soft cap", [](HeaderT& h) { h.config->final_softcap = -1; }},
      {"0 ropes", [](HeaderT& h) { h.config->ropes.clear(); }},
      {"frequencies", [](HeaderT& h) { h.config->ropes[0]->inv_freq.clear(); }},
      {"a frequency is not", [=](HeaderT& h) { h.config->ropes[0]->inv_freq[1] = double(inf); }},
      {"a frequency is not", [](HeaderT& h) { h.config->ropes[0]->inv_freq[1] = -1; }},
      {"a frequency is not",
       [](HeaderT& h) { h.config->ropes[0]->inv_freq[1] = std::nextafter(kMaxRopeFrequency, 1e9); }},
      {"more pairs", [](HeaderT& h) { h.config->ropes[0]->inv_freq.resize(9); }},
      {"rope 1 of 1", [](HeaderT& h) { h.config->layers[1]->rope = 1; }},
      {"key-value heads", [](HeaderT& h) { h.config->layers[1]->n_kv_heads = 3; }},
      {"key-value heads", [](HeaderT& h) { h.config->layers[1]->n_kv_heads = 0; }},
      {"key-value heads", [](HeaderT& h) { h.config->layers[1]->n_heads = kMaxHeads + 1; }},
      {"heads of 15", [](HeaderT& h) { h.config->layers[1]->head_dim = 15; }},
      {"attention scale", [=](HeaderT& h) { h.config->layers[1]->attn_scale = nan; }},
      {"unknown activation", [](HeaderT& h) { h.config->layers[1]->activation = fb::Activation(5); }},
      {"feed-forward width", [](HeaderT& h) { h.config->layers[1]->d_ff = 0; }},
      {"feed-forward width", [](HeaderT& h) { h.config->layers[1]->n_experts = 2; }},
      {"cannot be those of",
       [](HeaderT& h) {
         fb::LayerT& layer = *h.config->layers[1];
         layer.n_experts = 4000, layer.n_experts_used = 1, layer.d_ff_expert = 64;
       }},
      {"row order",
       [](HeaderT& h) {
         h.head_row_order = {0, 1};
       }},
      {"not a permutation", [](HeaderT& h) { h.head_row_order.assign(300, 7); }},
  });
}

TEST_CASE("a model that lacks a tensor, has one twice or in another shape is refused") {
  using fb::HeaderT;
  using fb::Role;
  check_all(
      {
          {"layer 0: the tensor FfnNorm is missing",
           [](HeaderT& h) { h.tensors[tensor_of(h, Role::FfnNorm)]->role = Role::AttnPostNorm; }},
          {"the tensor OutputNorm is missing",
           [](HeaderT& h) {
             fb::ExtentT& extent = extent_of(h, Role::OutputNorm);
             fb::TensorT& tensor = *h.tensors[extent.members[0]];
             tensor.role = Role::FfnPostNorm;
             tensor.layer = extent.layer = 0;
           }},
          {"a second AttnNorm", [](HeaderT& h) { h.tensors[tensor_of(h, Role::FfnNorm)]->role = Role::AttnNorm; }},
          {"asks for [32, 64]", [](HeaderT& h) { h.tensors[tensor_of(h, Role::AttnQ)]->role = Role::AttnK; }},
          {"unknown role", [](HeaderT& h) { h.tensors[1]->role = Role(99); }},
          {"layer 2 of 2", [](HeaderT& h) { h.tensors[1]->layer = h.extents[h.tensors[1]->extent]->layer = 2; }},
          {"the configuration has no place",
           [](HeaderT& h) { h.tensors[tensor_of(h, Role::FfnGate)]->role = Role::SharedGate; }},
          {"only one of the norms", [](HeaderT& h) { remove_tensor(h, tensor_of(h, Role::AttnKNorm)); }},
          {"layer 0: the tensor AttnV is missing", [](HeaderT& h) { remove_tensor(h, tensor_of(h, Role::AttnV)); }},
          {"the tensor TokenEmbedding is missing", [](HeaderT& h) { remove_tensor(h, 0); }},
          {"access GatherRows",
           [](HeaderT& h) {
             h.config->tied_head = true;
             h.tensors[0]->role = Role::TokenEmbedding;
           }},
      },
      {false, false, false, false, "q4_k"});
}

TEST_CASE("experts must be complete and their extents signed") {
  using fb::HeaderT;
  using fb::Role;
  const TinyModel model{true, true, false, false, "q4_k"};
  check_all(
      {
          {"its hash is not", [](HeaderT& h) { extent_of(h, Role::ExpertGate).hash ^= 1; }},
          {"do not suit its access", [](HeaderT& h) { extent_of(h, Role::ExpertGate).expert = -1; }},
          {"belongs to another layer or expert", [](HeaderT& h) { extent_of(h, Role::ExpertGate).expert = 1; }},
          {"gate, up and down", [](HeaderT& h) { h.tensors[tensor_of(h, Role::ExpertUp)]->role = Role::ExpertGate; }},
          {"gate, up and down",
           [](HeaderT& h) {
             std::swap(h.tensors[tensor_of(h, Role::ExpertGate)]->role, h.tensors[tensor_of(h, Role::ExpertUp)]->role);
           }},
          {"gate, up and down", [](HeaderT& h) { h.tensors[tensor_of(h, Role::ExpertUp)]->role = Role::FfnUp; }},
          {"expert 2",
           [](HeaderT& h) {
             fb::ExtentT& extent = extent_of(h, Role::ExpertGate);
             extent.expert = 2;
             for (uint32_t t : extent.members) h.tensors[t]->expert = 2;
           }},
          {"layer 1: the tensor ExpertGate is missing",
           [](HeaderT& h) {
             h.config->layers[1]->n_experts = 3;
             h.tensors[tensor_of(h, Role::Router)]->rows = 3;
           }},
      },
      model);
}

TEST_CASE("planes that leave out, repeat or misplace bits are refused") {
  using fb::HeaderT;
  const TinyModel model{true, false, false, true, "q4_k"};
  const auto with_planes = [](std::vector<fb::Plane> planes) {
    return [planes](HeaderT& h) {
      for (auto& format : h.formats) {
        if (format->name == "q4_k") format->planes = planes;
      }
    };
  };
  // Of a block of 2304 bytes 256 are scales; a bit of every code takes 512.
  check_all(
      {
          {"lack the 1 lowest bits", with_planes({{2, 2, true, 0, 1280}, {1, 1, false, 0, 512}})},
          {"the next one downwards",
           with_planes({{2, 2, true, 0, 1280}, {1, 0, false, 0, 512}, {1, 0, false, 0, 512}})},
          {"the next one downwards", with_planes({{2, 0, true, 0, 1280}, {2, 2, false, 0, 1024}})},
          {"the next one downwards", with_planes({{2, 2, true, 0, 1280}, {0, 2, false, 0, 0}, {2, 0, false, 0, 1024}})},
          {"expected 1280 at 0", with_planes({{2, 2, true, 0, 1024}, {2, 0, false, 0, 1024}})},
          {"expected 1024 at 0", with_planes({{2, 2, true, 0, 1280}, {2, 0, false, 64, 1024}})},
          {"required planes come first", with_planes({{2, 2, false, 0, 1280}, {2, 0, false, 0, 1024}})},
          {"required planes come first",
           with_planes({{2, 2, true, 0, 1280}, {1, 1, false, 0, 512}, {1, 0, true, 0, 512}})},
          {"1 to 6 are allowed", with_planes({})},
          {"only codes of up to 6 bits",
           [](HeaderT& h) {
             for (auto& format : h.formats) {
               if (format->name == "q8_0") format->planes = {{4, 4, true, 0, 576}, {4, 0, false, 0, 512}};
             }
           }},
      },
      model);
  CHECK(refusal([](HeaderT& h) { h.extents.back()->plane = 3; }, model).find("has no plane 3") != std::string::npos);
  CHECK(refusal([](HeaderT& h) { h.extents.back()->plane = 1; }, model).find("a place already") != std::string::npos);
  // A tensor whose second plane is nowhere.
  CHECK(refusal(
            [](HeaderT& h) {
              h.chunks.pop_back();
              h.extents.pop_back();
            },
            model)
            .find("a plane of it has no extent") != std::string::npos);
}

TEST_CASE("a vocabulary whose tables contradict each other is refused") {
  using fb::HeaderT;
  check_all({
      {"there is no vocabulary", [](HeaderT& h) { h.vocab.reset(); }},
      {"the configuration says",
       [](HeaderT& h) {
         h.vocab->offsets.pop_back();
         h.vocab->bytes.resize(h.vocab->offsets.back());
       }},
      {"token texts run", [](HeaderT& h) { h.vocab->bytes.push_back('x'); }},
      {"token texts run", [](HeaderT& h) { h.vocab->offsets[0] = 1; }},
      {"the text of token 4", [](HeaderT& h) { h.vocab->offsets[5] = 3; }},
      {"the text of token 4", [](HeaderT& h) { h.vocab->offsets[5] = 0x7fffffff; }},
      {"offsets, 2 to", [](HeaderT& h) { h.vocab->offsets.clear(); }},
      {"unknown kind", [](HeaderT& h) { h.vocab->kind = fb::VocabKind(3); }},
      {"token types", [](HeaderT& h) { h.vocab->types.pop_back(); }},
      {"unknown type 0", [](HeaderT& h) { h.vocab->types[7] = 0; }},
      {"scores", [](HeaderT& h) { h.vocab->kind = fb::VocabKind::SentencePieceBpe; }},
      {"scores", [](HeaderT& h) { h.vocab->scores.resize(299); }},
      {"is not a number", [](HeaderT& h) { h.vocab->scores.assign(300, std::nanf("")); }},
      {"the look-up table has", [](HeaderT& h) { h.vocab->text_order.pop_back(); }},
      {"the look-up table has", [](HeaderT& h) { h.vocab->text_buckets.pop_back(); }},
      {"names token 300", [](HeaderT& h) { h.vocab->text_order[9] = 300; }},
      {"do not run up to 300", [](HeaderT& h) { h.vocab->text_buckets[25000] = 301; }},
      {"do not run up to 300", [](HeaderT& h) { h.vocab->text_buckets[65535] = 0; }},
      {"do not run up to 300", [](HeaderT& h) { h.vocab->text_buckets[65536] -= 1; }},
      {"columns", [](HeaderT& h) { h.vocab->merge_rank.pop_back(); }},
      {"names token 300 of 300", [](HeaderT& h) { h.vocab->merge_result[0] = 300; }},
      {"not sorted at entry 1", [](HeaderT& h) { std::swap(h.vocab->merge_left[0], h.vocab->merge_left[1]); }},
      {"special tokens are listed", [](HeaderT& h) { h.vocab->special.pop_back(); }},
      {"is listed as special but is not", [](HeaderT& h) { h.vocab->special[1] = 97; }},
      {"special tokens are not sorted", [](HeaderT& h) { std::swap(h.vocab->special[1], h.vocab->special[2]); }},
      {"special tokens are not sorted", [](HeaderT& h) { h.vocab->special[2] = h.vocab->special[1]; }},
      {"must be -1 or", [](HeaderT& h) { h.vocab->bos = 300; }},
      {"must be -1 or", [](HeaderT& h) { h.vocab->pad = -2; }},
      {"for single bytes, 256", [](HeaderT& h) { h.vocab->byte_tokens.pop_back(); }},
      {"token 300 for a single byte", [](HeaderT& h) { h.vocab->byte_tokens[3] = 300; }},
      {"end-of-generation", [](HeaderT& h) { h.vocab->end_of_generation = {300}; }},
      {"end-of-generation",
       [](HeaderT& h) {
         h.vocab->end_of_generation = {5, 5};
       }},
      {"left-stripping tokens", [](HeaderT& h) { h.vocab->strip_left = {300}; }},
      {"right-stripping tokens",
       [](HeaderT& h) {
         h.vocab->strip_right = {6, 5};
       }},
      {"the character map is broken", [](HeaderT& h) { h.vocab->charsmap.assign(3, 0); }},
  });
}

TEST_CASE("a look-up table in a wrong order opens, may be used, and is found by the verification") {
  const auto verify = [](const Change& change) {
    Bytes file = changed(change);
    Accountant accountant(0);
    const auto opened = open_bytes(file, accountant);
    REQUIRE(opened.ok());
    exercise(*opened);
    const Status verified = verify_text_order(*opened);
    CHECK((verified.ok() || verified.error().code == Code::kBadModel));
    return verified.ok() ? std::string() : verified.error().message;
  };
  const auto contains = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  using fb::HeaderT;
  CHECK(verify([](HeaderT&) {}).empty());
  CHECK(
      contains(verify([](HeaderT& h) { std::swap(h.vocab->text_order[66], h.vocab->text_order[67]); }), "not sorted"));
  CHECK(contains(verify([](HeaderT& h) { h.vocab->text_order[66] = h.vocab->text_order[65]; }), "not sorted"));
  CHECK(!verify([](HeaderT& h) { std::reverse(h.vocab->text_order.begin(), h.vocab->text_order.end()); }).empty());
  CHECK(!verify([](HeaderT& h) { h.vocab->text_order.assign(300, 299); }).empty());
  CHECK(contains(verify([](HeaderT& h) { h.vocab->text_buckets[25088] += 1; }), "bucket 25088"));
  CHECK(contains(verify([](HeaderT& h) { h.vocab->text_buckets[65281] -= 1; }), "bucket 65281"));
  CHECK(contains(verify([](HeaderT& h) { std::fill_n(h.vocab->text_buckets.begin(), 65536, 300); }), "bucket 0"));
}

}  // namespace sluice
