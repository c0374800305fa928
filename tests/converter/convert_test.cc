// SPDX-License-Identifier: Apache-2.0
#include "sluice/convert.h"

#include <bit>
#include <filesystem>
#include <functional>

#include "converter/source_weights.h"
#include "slm_weights.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

// Row of the source that became row r: the published permutation of Llama files, undone.
uint32_t source_row(const fb::Tensor& tensor, uint32_t r, uint32_t head_dim) {
  if (tensor.row_order() == fb::RowOrder::Plain) return r;
  const uint32_t head = r / head_dim, s = r % head_dim / (head_dim / 2), j = r % (head_dim / 2);
  return head * head_dim + 2 * j + s;
}

// Every weight of every tensor of `g` against the converted file.
void check_all_weights(const GgufBuilder& g, const std::string& slm, uint32_t head_dim) {
  SlmWeights converted(slm);
  for (const GgufBuilder::Tensor& source : g.tensors) {
    CAPTURE(source.name);
    const fb::Tensor* tensor = converted.find(source.name);
    REQUIRE(tensor != nullptr);
    REQUIRE(tensor->cols() == source.dims[0]);
    REQUIRE(tensor->rows() == (source.dims.size() > 1 ? source.dims[1] : 1));
    const uint64_t row_bytes = source.data.size() / tensor->rows();
    for (uint32_t r = 0; r < tensor->rows(); ++r) {
      const auto* data =
          reinterpret_cast<const uint8_t*>(source.data.data()) + source_row(*tensor, r, head_dim) * row_bytes;
      std::vector<float> expected = source_weights(source.type, data, tensor->cols());
      if (is_vector(tensor->role()) && tensor->row_order() == fb::RowOrder::RopePairs) {
        const std::vector<float> plain = expected;
        for (uint32_t c = 0; c < tensor->cols(); ++c) expected[c] = plain[source_row(*tensor, c, head_dim)];
      }
      const std::vector<float> got = converted.row(*tensor, r);
      for (uint32_t c = 0; c < tensor->cols(); ++c) {
        if (std::bit_cast<uint32_t>(got[c]) != std::bit_cast<uint32_t>(expected[c])) {
          FAIL(source.name << " row " << r << " column " << c << ": " << got[c] << " for " << expected[c]);
        }
      }
    }
  }
  CHECK(converted.header().tensors()->size() == g.tensors.size());
}

size_t files_in(const std::string& folder) {
  size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++n;
  return n;
}

}  // namespace

TEST_CASE("a toy of each family and block format converts with every weight bit-equal", "[converter]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.architecture = GENERATE("llama", "qwen2", "qwen3", "gemma3");
  o.matrix_type = GENERATE(from_range(std::begin(toy::kExactTypes), std::end(toy::kExactTypes)));
  o.tied = o.matrix_type % 2 == 0;
  o.n_layers = 1;
  if (toy::block_of(o.matrix_type) > 32) o.d_model = o.d_ff = 256;
  CAPTURE(o.architecture, o.matrix_type);
  const GgufBuilder g = toy_gguf(o);
  g.write(folder / "toy.gguf");
  const auto report = convert_file(folder / "toy.gguf", folder / "toy.slm");
  if (!report.ok()) FAIL(report.error().text());
  check_all_weights(g, folder / "toy.slm", o.d_model / o.n_heads);
}

TEST_CASE("odd shapes convert: rows that are no multiple of 16, heads whose halves are none", "[converter]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.d_model = 96, o.n_heads = 3, o.n_kv_heads = 1, o.head_dim = 24, o.d_ff = 32 * 7, o.n_vocab = 333;
  o.embedding_type = toy::kQ5_1;
  o.tied = GENERATE(true, false);
  o.matrix_type = toy::kF16;  // 72 inputs of attn_output are no whole 32-blocks
  const GgufBuilder g = toy_gguf(o);
  g.write(folder / "toy.gguf");
  const auto report = convert_file(folder / "toy.gguf", folder / "toy.slm");
  if (!report.ok()) FAIL(report.error().text());
  check_all_weights(g, folder / "toy.slm", o.head_dim);
}

TEST_CASE("a matrix of one row is a matrix, not a vector", "[converter]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.matrix_type = o.embedding_type = GENERATE(uint32_t{toy::kF32}, uint32_t{toy::kF16}, uint32_t{toy::kBF16});
  o.tied = false;
  SECTION("feed-forward width 1") { o.d_ff = 1; }
  SECTION("model width 1") { o.d_model = 1, o.n_heads = o.n_kv_heads = 1, o.head_dim = 2; }
  const GgufBuilder g = toy_gguf(o);
  g.write(folder / "toy.gguf");
  const auto report = convert_file(folder / "toy.gguf", folder / "toy.slm");
  if (!report.ok()) FAIL(report.error().text());
  check_all_weights(g, folder / "toy.slm", o.head_dim ? o.head_dim : o.d_model / o.n_heads);
}

TEST_CASE("the report and the header say what the file is", "[converter]") {
  TemporaryFolder folder;
  make_toy_gguf(folder / "toy.gguf");
  const auto report = convert_file(folder / "toy.gguf", folder / "toy.slm");
  REQUIRE(report.ok());
  CHECK(report->name == "Toy llama");
  CHECK(report->architecture == "llama");
  CHECK(report->source == "GGUF, mostly Q8_0");
  CHECK(report->n_tensors == 2 + 2 * 9);
  CHECK(report->source_bytes == std::filesystem::file_size(folder / "toy.gguf"));
  CHECK(report->output_bytes == std::filesystem::file_size(folder / "toy.slm"));
  CHECK(report->n_parameters == 320 * 64 + 64 + 2 * (64 + 64 * 64 + 2 * 32 * 64 + 64 * 64 + 64 + 3 * 64 * 96));
  SlmWeights slm(folder / "toy.slm");
  CHECK(slm.header().name()->str() == "Toy llama");
  CHECK(slm.header().n_parameters() == report->n_parameters);
  CHECK(slm.header().file_bytes() == report->output_bytes);
}

TEST_CASE("tensors lie in the order in which they run", "[converter]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.architecture = "gemma3", o.tied = false;
  make_toy_gguf(folder / "toy.gguf", o);
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm").ok());
  SlmWeights slm(folder / "toy.slm");
  using R = fb::Role;
  std::vector<R> expected;
  for (int l = 0; l < 2; ++l) {
    for (R r : {R::AttnNorm, R::AttnQ, R::AttnK, R::AttnV, R::AttnQNorm, R::AttnKNorm, R::AttnOutput, R::AttnPostNorm,
                R::FfnNorm, R::FfnGate, R::FfnUp, R::FfnDown, R::FfnPostNorm}) {
      expected.push_back(r);
    }
  }
  for (R r : {R::OutputNorm, R::OutputHead, R::TokenEmbedding}) expected.push_back(r);
  std::vector<R> got;
  uint64_t end = 0;
  for (const fb::Tensor* tensor : *slm.header().tensors()) {
    got.push_back(tensor->role());
    const fb::Extent& extent = slm.extent(*tensor);
    const uint64_t begin = slm.header().chunks()->Get(extent.first_chunk())->offset();
    CHECK(begin >= end);
    end = begin;
  }
  CHECK(got == expected);
  const fb::Tensor *gate = slm.find(R::FfnGate, 1), *up = slm.find(R::FfnUp, 1);
  CHECK(gate->extent() == up->extent());
  CHECK(slm.extent(*gate).interleaved());
  CHECK(slm.extent(*slm.find(R::OutputHead, -1)).access() == fb::Access::Stream);
  CHECK(slm.extent(*slm.find(R::TokenEmbedding, -1)).access() == fb::Access::GatherRows);
}

TEST_CASE("a tied head is one tensor with both accesses", "[converter]") {
  TemporaryFolder folder;
  make_toy_gguf(folder / "toy.gguf");
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm").ok());
  SlmWeights slm(folder / "toy.slm");
  CHECK(slm.header().config()->tied_head());
  CHECK(slm.find(fb::Role::OutputHead, -1) == nullptr);
  CHECK(slm.extent(*slm.find(fb::Role::TokenEmbedding, -1)).access() == fb::Access::Both);
}

TEST_CASE("gate and up alternate even when their formats differ", "[converter]") {
  TemporaryFolder folder;
  GgufBuilder g = toy_gguf({});
  Rng rng(5);
  GgufBuilder::Tensor& up = g.find_tensor("blk.1.ffn_up.weight");
  up.type = toy::kQ4_1;
  up.data = random_weights(toy::kQ4_1, 64 * 96, 0.1f, rng);
  g.write(folder / "toy.gguf");
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm").ok());
  check_all_weights(g, folder / "toy.slm", 16);
}

TEST_CASE("rows beyond the vocabulary are dropped with a notice, missing rows are refused", "[converter]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.n_vocab = 324;
  GgufBuilder g = toy_gguf(o);
  GgufBuilder smaller;
  add_byte_vocabulary(smaller, 320);
  GgufBuilder fewer = g;  // 320 tokens for 324 rows
  add_byte_vocabulary(fewer, 320);
  fewer.write(folder / "padded.gguf");
  std::vector<std::string> notices;
  ConvertOptions options;
  options.notice = [&](const std::string& line) { notices.push_back(line); };
  REQUIRE(convert_file(folder / "padded.gguf", folder / "padded.slm", options).ok());
  SlmWeights slm(folder / "padded.slm");
  CHECK(slm.find("token_embd.weight")->rows() == 320);
  CHECK(slm.header().config()->n_vocab() == 320);
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].find("4 padding rows") != std::string::npos);

  add_byte_vocabulary(g, 325);
  g.write(folder / "short.gguf");
  const auto refused = convert_file(folder / "short.gguf", folder / "short.slm");
  REQUIRE(!refused.ok());
  CHECK(refused.error().message.find("token_embd.weight has the shape [64, 324], expected [64, 325]") !=
        std::string::npos);
}

TEST_CASE("weights that cannot keep their value are announced once for each type", "[converter]") {
  TemporaryFolder folder;
  GgufBuilder g = toy_gguf({});
  Rng rng(7);
  for (const char* name : {"blk.0.ffn_up.weight", "blk.1.ffn_up.weight", "blk.0.ffn_norm.weight"}) {
    GgufBuilder::Tensor& tensor = g.find_tensor(name);
    const uint64_t n = tensor.dims[0] * (tensor.dims.size() > 1 ? tensor.dims[1] : 1);
    tensor.type = toy::kF64;
    tensor.data = random_weights(toy::kF64, n, 0.1f, rng);
  }
  g.write(folder / "toy.gguf");
  std::vector<std::string> notices;
  ConvertOptions options;
  options.notice = [&](const std::string& line) { notices.push_back(line); };
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm", options).ok());
  CHECK(notices == std::vector<std::string>{"3 tensors of the type F64 as f32, rounded to float32"});
  check_all_weights(g, folder / "toy.slm", 16);
}

TEST_CASE("a vocabulary-only file of any architecture becomes a vocabulary-only .slm", "[converter]") {
  TemporaryFolder folder;
  GgufBuilder g;
  g.text("general.architecture", "never heard of it");
  add_byte_vocabulary(g, 300, "gpt-2");
  g.write(folder / "vocab.gguf");
  const auto report = convert_file(folder / "vocab.gguf", folder / "vocab.slm");
  if (!report.ok()) FAIL(report.error().text());
  CHECK(report->n_tensors == 0);
  SlmWeights slm(folder / "vocab.slm");
  CHECK(slm.header().config() == nullptr);
  CHECK(slm.header().vocab()->types()->size() == 300);
}

TEST_CASE("a cancelled conversion leaves the old output and nothing else", "[converter]") {
  TemporaryFolder folder;
  make_toy_gguf(folder / "toy.gguf");
  GgufBuilder::write_bytes(folder / "toy.slm", "old");
  int calls_left = 0;
  ConvertOptions options;
  options.progress = [&](uint64_t done, uint64_t total) {
    CHECK(done <= total);
    return calls_left-- > 0;
  };
  // At every point at which progress is reported.
  for (int calls = 0;; ++calls) {
    calls_left = calls;
    const auto report = convert_file(folder / "toy.gguf", folder / "toy.slm", options);
    if (report.ok()) break;
    CHECK(report.error().code == Code::kCancelled);
    CHECK(files_in(folder.path()) == 2);
    CHECK(std::filesystem::file_size(folder / "toy.slm") == 3);
    REQUIRE(calls < 1000);
  }
  CHECK(files_in(folder.path()) == 2);
  SlmWeights(folder / "toy.slm");
}

TEST_CASE("progress ends with all bytes of the weights", "[converter]") {
  TemporaryFolder folder;
  make_toy_gguf(folder / "toy.gguf");
  uint64_t last = 0, all = 0;
  ConvertOptions options;
  options.progress = [&](uint64_t done, uint64_t total) {
    CHECK(done >= last);
    last = done, all = total;
    return true;
  };
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm", options).ok());
  CHECK(last == all);
  CHECK(all > 60000);
}

TEST_CASE("the output is refused where it cannot be written or would replace the input", "[converter]") {
  TemporaryFolder folder;
  make_toy_gguf(folder / "toy.gguf");
  const auto nowhere = convert_file(folder / "toy.gguf", folder / "missing/toy.slm");
  REQUIRE(!nowhere.ok());
  CHECK(nowhere.error().code == Code::kFailed);
  std::filesystem::create_hard_link(folder / "toy.gguf", folder / "same.slm");
  const auto same = convert_file(folder / "toy.gguf", folder / "same.slm");
  REQUIRE(!same.ok());
  CHECK(same.error().code == Code::kUsage);
  const auto missing = convert_file(folder / "no.gguf", folder / "toy.slm");
  REQUIRE(!missing.ok());
  CHECK(missing.error().code == Code::kBadModel);
  CHECK(files_in(folder.path()) == 2);
}

TEST_CASE("what begins like GGUF is convertible, nothing else is", "[converter]") {
  TemporaryFolder folder;
  GgufBuilder::write_bytes(folder / "a", "GGUF");
  GgufBuilder::write_bytes(folder / "b", "GGU");
  GgufBuilder::write_bytes(folder / "c", "SLM1 and more");
  CHECK(is_convertible(folder / "a"));
  CHECK(!is_convertible(folder / "b"));
  CHECK(!is_convertible(folder / "c"));
  CHECK(!is_convertible(folder / "missing"));
  CHECK(!is_convertible(folder.path()));
}

}  // namespace sluice::test
