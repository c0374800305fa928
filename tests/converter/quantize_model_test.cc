// SPDX-License-Identifier: Apache-2.0
// Quantizing whole models: which type each matrix becomes, importance files, refusals.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/half.h"
#include "converter/gguf.h"
#include "converter/quantize.h"
#include "slm_weights.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

ToyOptions float_toy(uint32_t width) {
  ToyOptions o;
  o.matrix_type = o.embedding_type = toy::kF32;
  o.d_model = width, o.d_ff = 2 * width;
  o.n_layers = 8;
  return o;
}

std::string format_of(SlmWeights& weights, const char* tensor) {
  const fb::Tensor* t = weights.find(tensor);
  return t ? weights.header().formats()->Get(t->format())->name()->str() : "";
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

ConvertOptions to(QuantizeTo what, std::vector<std::string>* notices = nullptr) {
  ConvertOptions options;
  options.quantize = what;
  if (notices) options.notice = [=](const std::string& line) { notices->push_back(line); };
  return options;
}

std::vector<InputImportance> importance_of(const GgufBuilder& g, Rng& rng) {
  std::vector<InputImportance> list;
  for (const GgufBuilder::Tensor& t : g.tensors) {
    if (t.dims.size() < 2) continue;
    InputImportance entry;
    entry.tensor = t.name, entry.rows = 100;
    for (uint64_t i = 0; i < t.dims[0]; ++i) entry.mean_squares.push_back(float(rng() % 1000) / 100);
    list.push_back(entry);
  }
  return list;
}

}  // namespace

TEST_CASE("each mix gives every matrix its type and leaves vectors alone", "[converter][quantize]") {
  TemporaryFolder folder;
  struct Case {
    QuantizeTo to;
    uint32_t width;
    const char *q, *first_down, *other_down, *head;
  };
  // Layer 0 is in the first eighth of eight layers; layer 2 is between and no third one.
  const Case c = GENERATE(Case{QuantizeTo::kQ8, 64, "q8_0", "q8_0", "q8_0", "q8_0"},
                          Case{QuantizeTo::kQ4, 256, "q4_k", "q6_k", "q4_k", "q6_k"},
                          Case{QuantizeTo::kQ4Small, 256, "q4_k", "q4_k", "q4_k", "q6_k"},
                          Case{QuantizeTo::kQ4, 64, "q5_0", "q8_0", "q5_0", "q8_0"},
                          Case{QuantizeTo::kQ4Small, 64, "iq4_nl", "iq4_nl", "iq4_nl", "q8_0"});
  const bool tied = GENERATE(true, false);
  ToyOptions o = float_toy(c.width);
  o.tied = tied;
  CAPTURE(int(c.to), c.width, tied);
  make_toy_gguf(folder / "toy.gguf", o);
  const auto report = convert_file(folder / "toy.gguf", folder / "toy.slm", to(c.to));
  if (!report.ok()) FAIL(report.error().text());
  SlmWeights weights(folder / "toy.slm");
  CHECK(format_of(weights, "blk.2.attn_q.weight") == c.q);
  CHECK(format_of(weights, "blk.0.ffn_down.weight") == c.first_down);
  CHECK(format_of(weights, "blk.0.attn_v.weight") == c.first_down);
  CHECK(format_of(weights, "blk.1.ffn_down.weight") == c.other_down);
  CHECK(format_of(weights, "blk.2.attn_norm.weight") == "f32");
  CHECK(format_of(weights, "token_embd.weight") == (tied ? c.head : c.q));
  if (!tied) CHECK(format_of(weights, "output.weight") == c.head);
}

TEST_CASE("what is stored is what the encoder made of the source's rows", "[converter][quantize]") {
  TemporaryFolder folder;
  const uint32_t source =
      GENERATE(uint32_t{toy::kF32}, uint32_t{toy::kF16}, uint32_t{toy::kBF16}, uint32_t{toy::kQ8_0});
  ToyOptions o = float_toy(256);
  o.n_layers = 1;
  o.matrix_type = o.embedding_type = source;
  const GgufBuilder g = toy_gguf(o);
  g.write(folder / "toy.gguf");
  std::vector<std::string> notices;
  const auto report = convert_file(folder / "toy.gguf", folder / "toy.slm", to(QuantizeTo::kQ4Small, &notices));
  if (!report.ok()) FAIL(report.error().text());
  CHECK(!notices.empty() == (source == toy::kQ8_0));
  if (source == toy::kQ8_0) CHECK(notices[0].find("a second time") != std::string::npos);
  SlmWeights weights(folder / "toy.slm");
  const BlockFormat& q4_k = *find_block_format(toy::kQ4_K);
  for (const GgufBuilder::Tensor& t : g.tensors) {
    if (t.name != "blk.0.ffn_up.weight") continue;  // its rows are in the source's order
    const uint64_t row_bytes = t.data.size() / t.dims[1];
    for (uint32_t r = 0; r < t.dims[1]; ++r) {
      const std::vector<float> x =
          source_weights(source, reinterpret_cast<const uint8_t*>(t.data.data()) + r * row_bytes, t.dims[0]);
      std::vector<uint8_t> blocks(x.size() / q4_k.inputs * q4_k.bytes);
      find_encoder(q4_k)(x.data(), nullptr, uint32_t(x.size()), blocks.data());
      REQUIRE(weights.row(*weights.find(t.name), r) == source_weights(toy::kQ4_K, blocks.data(), x.size()));
    }
  }
}

TEST_CASE("a type with no fewer bits is kept, and a width that no block divides", "[converter][quantize]") {
  TemporaryFolder folder;
  ToyOptions o;
  o.matrix_type = toy::kQ4_0;
  o.embedding_type = toy::kQ4_0;
  const GgufBuilder g = toy_gguf(o);
  g.write(folder / "toy.gguf");
  std::vector<std::string> notices;
  REQUIRE(convert_file(folder / "toy.gguf", folder / "plain.slm").ok());
  REQUIRE(convert_file(folder / "toy.gguf", folder / "q4.slm", to(QuantizeTo::kQ4, &notices)).ok());
  CHECK(notices.size() == 2);
  CHECK(bytes_of(folder / "plain.slm") == bytes_of(folder / "q4.slm"));

  ToyOptions odd;
  odd.matrix_type = odd.embedding_type = toy::kF16;
  odd.d_model = 40, odd.d_ff = 72;
  make_toy_gguf(folder / "odd.gguf", odd);
  notices.clear();
  REQUIRE(convert_file(folder / "odd.gguf", folder / "odd.slm", to(QuantizeTo::kQ4, &notices)).ok());
  SlmWeights weights(folder / "odd.slm");
  CHECK(format_of(weights, "blk.0.ffn_up.weight") == "f16");
  CHECK(!notices.empty());
}

TEST_CASE("an importance file comes back as it was written and changes what is stored", "[converter][quantize]") {
  TemporaryFolder folder;
  const GgufBuilder g = toy_gguf(float_toy(64));
  g.write(folder / "toy.gguf");
  Rng rng(4);
  const std::vector<InputImportance> list = importance_of(g, rng);
  REQUIRE(write_importance(folder / "importance.gguf", list, "book.txt", 3, 512).ok());
  const auto back = read_importance(folder / "importance.gguf");
  if (!back.ok()) FAIL(back.error().text());
  REQUIRE(back->size() == list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    CHECK((*back)[i].tensor == list[i].tensor);
    CHECK((*back)[i].rows == list[i].rows);
    REQUIRE((*back)[i].mean_squares.size() == list[i].mean_squares.size());
    for (size_t k = 0; k < list[i].mean_squares.size(); ++k) {
      CHECK((*back)[i].mean_squares[k] == Approx(list[i].mean_squares[k]).epsilon(1e-6));
    }
  }
  const auto gguf = Gguf::open(folder / "importance.gguf");
  REQUIRE(gguf.ok());
  CHECK(*gguf->text("general.type") == "imatrix");

  ConvertOptions with = to(QuantizeTo::kQ4Small);
  REQUIRE(convert_file(folder / "toy.gguf", folder / "without.slm", with).ok());
  with.importance = folder / "importance.gguf";
  REQUIRE(convert_file(folder / "toy.gguf", folder / "with.slm", with).ok());
  REQUIRE(convert_file(folder / "toy.gguf", folder / "again.slm", with).ok());
  CHECK(bytes_of(folder / "with.slm") != bytes_of(folder / "without.slm"));
  CHECK(bytes_of(folder / "with.slm") == bytes_of(folder / "again.slm"));
}

TEST_CASE("importance of fused matrices counts for each of their parts", "[converter][quantize]") {
  TemporaryFolder folder;
  const GgufBuilder g = toy_gguf(float_toy(64));
  g.write(folder / "toy.gguf");
  Rng rng(7);
  std::vector<InputImportance> apart = importance_of(g, rng), fused;
  const auto squares = [&](const std::string& name) {
    for (const InputImportance& entry : apart) {
      if (entry.tensor == name) return entry.mean_squares;
    }
    FAIL("no " << name);
    return std::vector<float>();
  };
  for (InputImportance& entry : apart) {
    const std::string layer = entry.tensor.substr(0, entry.tensor.find('.', 4) + 1);
    const auto is = [&](const char* name) { return entry.tensor == layer + name; };
    if (is("attn_k.weight") || is("attn_v.weight")) entry.mean_squares = squares(layer + "attn_q.weight");
    if (is("ffn_gate.weight")) entry.mean_squares = squares(layer + "ffn_up.weight");
    if (is("attn_k.weight") || is("attn_v.weight") || is("ffn_gate.weight")) continue;
    fused.push_back(entry);
    if (is("attn_q.weight")) fused.back().tensor = layer + "attn_qkv.weight";
  }
  REQUIRE(fused.size() + 3 * 8 == apart.size());
  REQUIRE(write_importance(folder / "apart.gguf", apart, "book.txt", 3, 512).ok());
  REQUIRE(write_importance(folder / "fused.gguf", fused, "book.txt", 3, 512).ok());
  std::vector<std::string> notices;
  for (const char* name : {"apart", "fused"}) {
    ConvertOptions options = to(QuantizeTo::kQ4, &notices);
    options.importance = folder / (std::string(name) + ".gguf");
    REQUIRE(convert_file(folder / "toy.gguf", folder / (std::string(name) + ".slm"), options).ok());
  }
  CHECK(notices.empty());
  CHECK(bytes_of(folder / "fused.slm") == bytes_of(folder / "apart.slm"));
}

TEST_CASE("one thread, two and seven write the same file, byte by byte", "[converter][quantize]") {
  TemporaryFolder folder;
  ToyOptions o = float_toy(256);
  o.matrix_type = o.embedding_type = toy::kBF16;
  const GgufBuilder g = toy_gguf(o);
  g.write(folder / "toy.gguf");
  Rng rng(11);
  REQUIRE(write_importance(folder / "importance.gguf", importance_of(g, rng), "book.txt", 3, 512).ok());
  ConvertOptions options = to(GENERATE(QuantizeTo::kKeep, QuantizeTo::kQ8, QuantizeTo::kQ4, QuantizeTo::kQ4Small));
  if (options.quantize != QuantizeTo::kKeep) options.importance = folder / "importance.gguf";
  std::string first;
  for (int n : {1, 2, 7}) {
    CAPTURE(int(options.quantize), n);
    options.n_threads = n;
    REQUIRE(convert_file(folder / "toy.gguf", folder / "out.slm", options).ok());
    if (n == 1) first = bytes_of(folder / "out.slm");
    CHECK(bytes_of(folder / "out.slm") == first);
  }
}

TEST_CASE("importance files that are none, damaged or of another model are refused", "[converter][quantize]") {
  TemporaryFolder folder;
  const GgufBuilder toy_file = toy_gguf(float_toy(64));
  toy_file.write(folder / "toy.gguf");
  const auto refuses = [&](const GgufBuilder& g, const char* reason) {
    g.write(folder / "bad.gguf");
    const auto result = read_importance(folder / "bad.gguf");
    return !result.ok() && result.error().code == Code::kBadModel &&
           result.error().text().find(reason) != std::string::npos;
  };
  const auto floats = [](std::vector<float> values) {
    std::string data;
    for (float v : values) GgufBuilder::put(data, v);
    return data;
  };
  const auto file = [&](std::vector<float> sums, std::vector<float> counts) {
    GgufBuilder g;
    g.text("general.type", "imatrix");
    g.tensor("blk.0.attn_q.weight.in_sum2", {sums.size()}, toy::kF32, floats(sums));
    if (!counts.empty()) g.tensor("blk.0.attn_q.weight.counts", {1, counts.size()}, toy::kF32, floats(counts));
    return g;
  };
  CHECK(refuses(toy_file, "not an importance file"));
  CHECK(refuses(file({1, 2}, {}), "no counts"));
  CHECK(refuses(file({1, 2}, {1, 1}), "no counts"));
  CHECK(refuses(file({1, -2}, {1}), "negative or not finite"));
  CHECK(refuses(file({1, INFINITY}, {1}), "negative or not finite"));
  CHECK(refuses(file({1, 2}, {0}), "no usable entry"));
  GgufBuilder empty;
  empty.text("general.type", "imatrix");
  CHECK(refuses(empty, "no usable entry"));

  file({1, 2}, {1}).write(folder / "narrow.gguf");
  ConvertOptions options = to(QuantizeTo::kQ4);
  options.importance = folder / "narrow.gguf";
  const auto result = convert_file(folder / "toy.gguf", folder / "out.slm", options);
  REQUIRE(!result.ok());
  CHECK(result.error().text().find("2 columns") != std::string::npos);
  CHECK(!std::filesystem::exists(folder / "out.slm"));
}

TEST_CASE("importance that no conversion would take is not written", "[converter][quantize]") {
  TemporaryFolder folder;
  for (const float bad : {INFINITY, NAN, -1.0f, 3e38f}) {  // the last one: times two
    CAPTURE(bad);
    const Status status = write_importance(folder / "i.gguf", {{"a", 1, {1}}, {"b", 2, {1, bad}}}, "book.txt", 1, 64);
    REQUIRE(!status.ok());
    CHECK(status.error().message.find("inputs of b") != std::string::npos);
    CHECK(!std::filesystem::exists(folder / "i.gguf"));
  }
}

TEST_CASE("importance files of more than 64 MiB are refused", "[converter][quantize]") {
  TemporaryFolder folder;
  const std::string path = folder / "importance.gguf";
  REQUIRE(write_importance(path, {{"blk.0.attn_q.weight", 1, {1, 2}}}, "book.txt", 3, 512).ok());
  std::filesystem::resize_file(path, 64 << 20);  // a hole behind the tensors
  CHECK(read_importance(path).ok());
  std::filesystem::resize_file(path, (64 << 20) + 1);
  const auto larger = read_importance(path);
  REQUIRE(!larger.ok());
  CHECK(larger.error().message.find("at most 67108864") != std::string::npos);
}

TEST_CASE("a weight that is no number is refused with its place, and nothing is left behind", "[converter][quantize]") {
  TemporaryFolder folder;
  GgufBuilder g = toy_gguf(float_toy(64));
  for (GgufBuilder::Tensor& t : g.tensors) {
    if (t.name != "blk.1.ffn_gate.weight") continue;
    const float bad = INFINITY;
    memcpy(t.data.data() + 4 * (64 * 5 + 7), &bad, 4);
  }
  g.write(folder / "toy.gguf");
  const auto result = convert_file(folder / "toy.gguf", folder / "toy.slm", to(QuantizeTo::kQ8));
  REQUIRE(!result.ok());
  CHECK(result.error().code == Code::kBadModel);
  CHECK(result.error().text().find("row 5 of tensor blk.1.ffn_gate.weight") != std::string::npos);
  CHECK(!std::filesystem::exists(folder / "toy.slm"));
  // As it is, it may be anything; but it is told.
  std::vector<std::string> notices;
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm", to(QuantizeTo::kKeep, &notices)).ok());
  REQUIRE(notices.size() == 1);
  CHECK(notices[0] == "weights: 1 of blk.1.ffn_gate.weight is infinite or not a number");
}

TEST_CASE("weights of any float type, in matrices and vectors, are told where they are no numbers",
          "[converter][quantize]") {
  TemporaryFolder folder;
  const uint32_t type = GENERATE(uint32_t{toy::kF32}, uint32_t{toy::kF16}, uint32_t{toy::kBF16});
  ToyOptions o = float_toy(64);
  o.matrix_type = o.embedding_type = type;
  GgufBuilder g = toy_gguf(o);
  const auto spoil = [&](const char* name) {
    for (GgufBuilder::Tensor& t : g.tensors) {
      if (t.name != name) continue;
      const uint32_t f32 = 0xffc00000;
      const uint16_t narrow = type == toy::kF16 ? 0x7c00 : 0x7f80;
      if (t.type == toy::kF32) memcpy(t.data.data() + 8, &f32, 4);
      if (t.type != toy::kF32) memcpy(t.data.data() + 8, &narrow, 2);
    }
  };
  spoil("blk.1.attn_q.weight"), spoil("output_norm.weight");
  g.write(folder / "toy.gguf");
  std::vector<std::string> notices;
  REQUIRE(convert_file(folder / "toy.gguf", folder / "toy.slm", to(QuantizeTo::kKeep, &notices)).ok());
  REQUIRE(notices.size() == 1);
  CHECK(notices[0].starts_with("weights: 2 of "));
  CHECK(notices[0].find(" and 1 more tensors are infinite or not a number") != std::string::npos);
}

TEST_CASE("weights that float16 scales cannot reach are refused by their tensor's name", "[converter][quantize]") {
  TemporaryFolder folder;
  const EncodableRange range = encodable_range(*find_block_format(toy::kQ8_0));
  // A tensor of zeros but for one weight of this size.
  const auto refusal = [&](float largest) {
    GgufBuilder g = toy_gguf(float_toy(64));
    for (GgufBuilder::Tensor& t : g.tensors) {
      if (t.name != "blk.1.ffn_gate.weight") continue;
      std::fill(t.data.begin(), t.data.end(), '\0');
      memcpy(t.data.data() + 4 * (64 * 5 + 7), &largest, 4);
    }
    g.write(folder / "toy.gguf");
    const auto result = convert_file(folder / "toy.gguf", folder / "toy.slm", to(QuantizeTo::kQ8));
    if (result.ok()) return std::string();
    CHECK(result.error().code == Code::kBadModel);
    CHECK(!std::filesystem::exists(folder / "toy.slm"));
    return result.error().message;
  };
  for (const float sign : {1.0f, -1.0f}) {
    CHECK(refusal(sign * range.most) == "");
    std::filesystem::remove(folder / "toy.slm");
    CHECK(refusal(sign * std::nextafter(range.most, INFINITY))
              .find("row 5 of tensor blk.1.ffn_gate.weight has a weight that is too large") == 0);
    CHECK(refusal(sign * 3e38f).find("too large") != std::string::npos);
    CHECK(refusal(sign * range.least) == "");
    std::filesystem::remove(folder / "toy.slm");
    CHECK(refusal(sign * std::nextafter(range.least, 0.0f))
              .find("all weights of tensor blk.1.ffn_gate.weight are too small") == 0);
  }
  CHECK(refusal(0) == "");
}

TEST_CASE("the names of importance entries are those of GGUF files", "[converter][quantize]") {
  CHECK(importance_name("AttnQ", 3) == "blk.3.attn_q.weight");
  CHECK(importance_name("FfnDown", 0) == "blk.0.ffn_down.weight");
  CHECK(importance_name("TokenEmbedding", -1) == "token_embd.weight");
  CHECK(importance_name("OutputHead", -1) == "output.weight");
  CHECK(importance_name("AttnNorm", 3).empty());
  CHECK(importance_name("nonsense", 3).empty());
}

}  // namespace sluice::test
