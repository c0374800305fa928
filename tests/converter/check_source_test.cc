// SPDX-License-Identifier: Apache-2.0
// The comparison of a converted model with its source finds every single changed bit, and says where it is.
#include <bit>

#include "slm_weights.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

// The converted file as its own program would hand it in; `change` may falsify what is read.
struct Opened {
  explicit Opened(const std::string& path) : path_(path) {
    SlmWeights slm(path);
    for (const fb::Tensor* t : *slm.header().tensors()) {
      const std::string format = slm.header().formats()->Get(t->format())->name()->str();
      model.tensors.push_back({t->source_name()->str(), format, t->rows(), t->cols()});
    }
    model.read = [this](size_t index, uint32_t first, uint32_t n, float* out) -> Status {
      SlmWeights weights(path_);
      const fb::Tensor& tensor = *weights.find(model.tensors[index].name);
      for (uint32_t i = 0; i < n; ++i) {
        const std::vector<float> row = weights.row(tensor, first + i);
        std::copy(row.begin(), row.end(), out + size_t(i) * tensor.cols());
      }
      if (change) change(model.tensors[index].name, first, n, out);
      return {};
    };
  }
  std::function<void(const std::string&, uint32_t, uint32_t, float*)> change;
  ConvertedModel model;

 private:
  std::string path_;
};

}  // namespace

TEST_CASE("a converted model equals its source, type by type", "[converter][check]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.architecture = "qwen2";  // rows lie as in the source
  o.matrix_type = GENERATE(uint32_t(toy::kQ4_1), toy::kQ2_K, toy::kMXFP4);
  if (toy::block_of(o.matrix_type) == 256) o.d_model = o.d_ff = 256;
  make_toy_gguf(folder / "toy.gguf", o);
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm").ok());
  const Opened opened(folder / "toy.slm");
  uint64_t last = 0, all = 0;
  const auto report = check_against_source(folder / "toy.gguf", opened.model, 2, [&](uint64_t done, uint64_t total) {
    CHECK(done >= last);
    last = done, all = total;
    return true;
  });
  if (!report.ok()) FAIL(report.error().text());
  CHECK(report->equal());
  CHECK(last == all);
  REQUIRE(report->types.size() == 3);  // embedding, vectors, matrices
  uint64_t weights = 0;
  for (const ConvertedModel::Tensor& t : opened.model.tensors) weights += uint64_t(t.rows) * t.cols;
  CHECK(report->weights == weights);
  for (const CheckedType& type : report->types) CHECK(type.different == 0);
}

TEST_CASE("one changed bit of one weight is found, with its place and both values", "[converter][check]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.architecture = "qwen2";
  make_toy_gguf(folder / "toy.gguf", o);
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm").ok());
  Opened opened(folder / "toy.slm");
  float before = 0, after = 0;
  opened.change = [&](const std::string& name, uint32_t first, uint32_t n, float* out) {
    if (name != "blk.1.ffn_down.weight" || first > 63 || first + n <= 63) return;
    float& weight = out[size_t(63 - first) * 96 + 95];
    before = weight;
    weight = after = std::bit_cast<float>(std::bit_cast<uint32_t>(weight) ^ 0x80000000u);
  };
  const auto report = check_against_source(folder / "toy.gguf", opened.model, 2);
  REQUIRE(report.ok());
  CHECK_FALSE(report->equal());
  REQUIRE(report->first.has_value());
  CHECK(report->first->tensor == "blk.1.ffn_down.weight");
  CHECK(report->first->row == 63);
  CHECK(report->first->col == 95);
  CHECK(std::bit_cast<uint32_t>(report->first->source) == std::bit_cast<uint32_t>(before));
  CHECK(std::bit_cast<uint32_t>(report->first->model) == std::bit_cast<uint32_t>(after));
}

TEST_CASE("another source, missing and foreign tensors are told", "[converter][check]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.architecture = "qwen2";
  make_toy_gguf(folder / "toy.gguf", o);
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm").ok());
  Opened opened(folder / "toy.slm");
  o.seed += 1;
  make_toy_gguf(folder / "other.gguf", o);
  const auto other = check_against_source(folder / "other.gguf", opened.model, 1);
  REQUIRE(other.ok());
  CHECK_FALSE(other->equal());
  CHECK(other->first.has_value());

  opened.model.tensors[3].name = "foreign";
  opened.model.tensors[4].rows += 1;
  const auto report = check_against_source(folder / "toy.gguf", opened.model, 1);
  REQUIRE(report.ok());
  CHECK_FALSE(report->equal());
  CHECK(report->problems.size() == 3);

  const auto cancelled =
      check_against_source(folder / "toy.gguf", opened.model, 1, [](uint64_t, uint64_t) { return false; });
  REQUIRE(!cancelled.ok());
  CHECK(cancelled.error().code == Code::kCancelled);
}

TEST_CASE("a quantized model differs where it was quantized, and only there", "[converter][check]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.architecture = "qwen2", o.matrix_type = o.embedding_type = GENERATE(uint32_t(toy::kF32), toy::kBF16);
  make_toy_gguf(folder / "toy.gguf", o);
  ConvertOptions options;
  options.quantize = QuantizeTo::kQ8;
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm", options).ok());
  Opened opened(folder / "toy.slm");
  const auto report = check_against_source(folder / "toy.gguf", opened.model, 1);
  REQUIRE(report.ok());
  CHECK(report->equal());
  uint64_t quantized = 0;
  for (const CheckedType& type : report->types) {
    CHECK((type.remark == "quantized") == (type.format == "q8_0"));
    if (type.format == "q8_0") quantized += type.different;
    if (type.format != "q8_0") CHECK(type.different == 0);
  }
  CHECK(quantized > 0);

  opened.change = [](const std::string& name, uint32_t first, uint32_t, float* out) {
    if (name == "output_norm.weight" && first == 0) out[3] += 1;
  };
  const auto norm = check_against_source(folder / "toy.gguf", opened.model, 1);
  REQUIRE(norm.ok());
  CHECK_FALSE(norm->equal());
  REQUIRE(norm->first.has_value());
  CHECK(norm->first->tensor == "output_norm.weight");
}

TEST_CASE("weights that were rounded on import count as such", "[converter][check]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.architecture = "qwen2", o.d_model = o.d_ff = 256, o.matrix_type = toy::kQ8_K;
  make_toy_gguf(folder / "toy.gguf", o);
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm").ok());
  const Opened opened(folder / "toy.slm");
  const auto report = check_against_source(folder / "toy.gguf", opened.model, 1);
  REQUIRE(report.ok());
  CHECK(report->equal());
  bool told = false;
  for (const CheckedType& type : report->types) told = told || (type.different > 0 && !type.remark.empty());
  CHECK(told);
}

}  // namespace sluice::test
