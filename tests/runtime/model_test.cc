// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/model.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/source.h"
#include "runtime/model/dequantize.h"
#include "runtime/model/describe.h"
#include "runtime/model/verify.h"
#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

std::shared_ptr<const Model> open(const std::string& path) {
  auto file = FileSource::open(path);
  REQUIRE(file.ok());
  auto model = Model::open(*file);
  REQUIRE(model.ok());
  return *model;
}

}  // namespace

TEST_CASE("a description names every tensor with its bytes", "[runtime][model]") {
  TemporaryFolder folder;
  const auto model = open(make_toy(folder));
  const auto json = nlohmann::json::parse(describe_model(*model));
  CHECK(json["name"] == "Toy llama");
  CHECK(json["vocabulary_only"] == false);
  CHECK(json["config"]["d_model"] == 64);
  CHECK(json["layers"].size() == 2);
  REQUIRE(json["tensors"].size() == 2 * 9 + 2);
  for (const auto& t : json["tensors"])
    if (t["name"] == "blk.1.ffn_down.weight") {
      CHECK(t["rows"] == 64);
      CHECK(t["cols"] == 96);
      CHECK(t["format"] == "q8_0");
      CHECK(t["bytes"] == 4 * 2 * 1088);  // 4 strips of 2 blocks of 64 inputs
    }
}

TEST_CASE("weights come back in the order of the source file", "[runtime][model]") {
  TemporaryFolder folder;
  ToyOptions options;
  options.matrix_type = toy::kF32;
  const GgufBuilder gguf = toy_gguf(options);
  const auto model = open(make_toy(folder, options));
  for (const GgufBuilder::Tensor& t : gguf.tensors) {
    if (t.type != toy::kF32) continue;
    CAPTURE(t.name);
    const uint32_t index = model->find(std::string_view(t.name));
    REQUIRE(index != Model::kAbsent);
    const uint32_t rows = t.dims.size() > 1 ? uint32_t(t.dims[1]) : 1, cols = uint32_t(t.dims[0]);
    std::vector<float> expected(size_t(rows) * cols), got(expected.size());
    std::memcpy(expected.data(), t.data.data(), t.data.size());
    REQUIRE(read_weights(*model, index, 0, rows, got).ok());
    CHECK(got == expected);  // Q and K rows are stored in another order (llama family)
    std::vector<float> last(cols);
    REQUIRE(read_weights(*model, index, rows - 1, 1, last).ok());
    CHECK(std::equal(last.begin(), last.end(), expected.end() - cols));
    CHECK(read_weights(*model, index, rows, 1, last).error().code == Code::kUsage);
  }
}

TEST_CASE("a model inside another file opens through a descriptor", "[runtime][model]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder);
  auto bytes = read_small_file(path, 64 << 20);
  REQUIRE(bytes.ok());
  const std::string package = "PACKAGE" + *bytes + "more";
  REQUIRE(write_small_file(folder / "package", std::as_bytes(std::span(package.data(), package.size()))).ok());
  const int fd = ::open((folder / "package").c_str(), O_RDONLY);
  const auto part = [&](uint64_t base, uint64_t length) {
    return FileSource::part(InputFile::duplicate(fd, "asset").value(), base, length);
  };
  auto source = part(7, bytes->size());
  REQUIRE(source.ok());
  CHECK(!part(8, package.size()).ok());
  CHECK(InputFile::duplicate(-1, "asset").error().code == Code::kFailed);
  close(fd);  // the source has its own
  auto model = Model::open(*source);
  REQUIRE(model.ok());
  CHECK(verify_model(**model, nullptr).ok());
  CHECK(describe_model(**model) == describe_model(*open(path)));
}

TEST_CASE("a verification can be cancelled", "[runtime][model]") {
  TemporaryFolder folder;
  const auto model = open(make_toy(folder));
  uint64_t last = 0, total = 0;
  const auto watch = [&](uint64_t done, uint64_t all) { return last = done, total = all, true; };
  REQUIRE(verify_model(*model, watch).ok());
  CHECK(last == total);
  CHECK(total > 0);
  CHECK(verify_model(*model, [](uint64_t, uint64_t) { return false; }).error().code == Code::kCancelled);
}

TEST_CASE("a look-up table in a wrong order opens, and a verification finds it", "[runtime][model]") {
  TemporaryFolder folder;
  const std::string path = make_toy(folder);
  auto bytes = read_small_file(path, 64 << 20);
  REQUIRE(bytes.ok());
  Preamble preamble;
  std::memcpy(&preamble, bytes->data(), sizeof preamble);
  char* const header = bytes->data() + preamble.header_offset;
  const auto* order = fb::GetHeader(header)->vocab()->text_order();
  char* const entries = header + (reinterpret_cast<const char*>(order->Data()) - header);
  std::swap_ranges(entries + 4 * 7, entries + 4 * 8, entries + 4 * 200);
  preamble.header_hash = hash64(std::as_bytes(std::span(header, preamble.header_bytes)));
  preamble.preamble_hash = hash64(std::as_bytes(std::span(&preamble, 1)).first(offsetof(Preamble, preamble_hash)));
  std::memcpy(bytes->data(), &preamble, sizeof preamble);
  REQUIRE(write_small_file(path, std::as_bytes(std::span(bytes->data(), bytes->size()))).ok());
  const auto model = open(path);
  std::vector<int32_t> tokens;
  model->tokenizer().encode("hello world", {}, tokens);
  for (const int32_t token : tokens) CHECK((token >= 0 && token < model->tokenizer().n_vocab()));
  const Status verified = verify_model(*model, nullptr);
  REQUIRE(!verified.ok());
  CHECK(verified.error().code == Code::kBadModel);
  CHECK(verified.error().message.find("look-up table") != std::string::npos);
}

TEST_CASE("a model without a template gets a standard one by its special tokens", "[runtime][model]") {
  TemporaryFolder folder;
  ToyOptions options;
  options.chat_template.clear();
  CHECK(open(make_toy(folder, options))->chat_template().find("<|im_start|>") != std::string_view::npos);
}

}  // namespace sluice::test
