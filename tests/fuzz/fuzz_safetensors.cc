// SPDX-License-Identifier: Apache-2.0
// libFuzzer: an input is a Hugging Face folder up to its weights: texts after one another, each behind its length:
// config.json, tokenizer.json, the small files, the index, and the headers of two .safetensors files; weights are
// appended here. It goes through the whole conversion, to one of the mixes, and what converts must be accepted by the
// reader of .slm files. Mutations change one of the texts and keep the lengths right.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "converter/safetensors_folder.h"
#include "schema/reader.h"
#include "sluice/convert.h"
#include "support/temporary_folder.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace sluice::test {

namespace {

constexpr const char* kNames[] = {"config.json",
                                  "tokenizer.json",
                                  "tokenizer_config.json",
                                  "generation_config.json",
                                  "special_tokens_map.json",
                                  "chat_template.json",
                                  "chat_template.jinja",
                                  "model.safetensors.index.json",
                                  "model.safetensors",
                                  "b.safetensors"};
constexpr size_t kFiles = std::size(kNames), kFirstWeights = 8;

std::vector<std::string> cut(const uint8_t* data, size_t size) {
  std::vector<std::string> texts;
  for (size_t at = 0; texts.size() < kFiles && size - at >= 4;) {
    uint32_t n;
    memcpy(&n, data + at, 4);
    at += 4;
    const size_t length = std::min<size_t>(n, size - at);
    texts.emplace_back(reinterpret_cast<const char*>(data) + at, length);
    at += length;
  }
  texts.resize(kFiles);
  return texts;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const std::string& text : texts) {
    GgufBuilder::put<uint32_t>(out, uint32_t(text.size()));
    out += text;
  }
  return out;
}

// The end of the last tensor, so that the data has the right length where the header is right.
uint64_t data_bytes(const std::string& header) {
  uint64_t most = 0;
  for (size_t at = header.find("data_offsets"); at != header.npos; at = header.find("data_offsets", at + 1)) {
    const size_t comma = header.find(',', at);
    if (comma != header.npos) most = std::max<uint64_t>(most, strtoull(header.c_str() + comma + 1, nullptr, 10));
  }
  return std::min<uint64_t>(most, 1 << 20);
}

void try_folder(const std::vector<std::string>& texts) {
  static const TemporaryFolder place = [] {
    setenv("TMPDIR", "/dev/shm", 0);
    return TemporaryFolder();
  }();
  const std::string folder = place / "model", output = place / "out.slm";
  std::filesystem::create_directories(folder);
  for (size_t i = 0; i < kFiles; ++i) {
    const std::string path = folder + "/" + kNames[i];
    if (texts[i].empty()) {
      unlink(path.c_str());
      continue;
    }
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    if (i < kFirstWeights) {
      file << texts[i];
      continue;
    }
    std::string bytes;
    GgufBuilder::put<uint64_t>(bytes, texts[i].size());
    file << bytes << texts[i] << std::string(data_bytes(texts[i]), '!');
  }
  ConvertOptions options;
  options.quantize = QuantizeTo(texts[0].size() % 4);  // a longer or shorter configuration, another mix
  const auto report = convert_file(folder, output, options);
  if (!report.ok()) {
    if (report.error().code != Code::kBadModel || report.error().message.empty()) abort();
    return;
  }
  Accountant accountant(0);
  const auto slm = open_slm(FileSource::open(output).value(), accountant);
  if (!slm.ok()) {
    fprintf(stderr, "the reader refuses what the converter wrote: %s\n", slm.error().text().c_str());
    abort();
  }
  unlink(output.c_str());
}

size_t mutate(uint8_t* data, size_t size, size_t max_size, unsigned seed) {
  Rng rng(seed);
  std::vector<std::string> texts = cut(data, size);
  std::string& text = texts[rng() % kFiles];
  std::vector<uint8_t> room(text.begin(), text.end());
  room.resize(text.size() + 64);
  room.resize(LLVMFuzzerMutate(room.data(), text.size(), room.size()));
  text.assign(room.begin(), room.end());
  const std::string out = joined(texts);
  const size_t n = std::min(out.size(), max_size);
  memcpy(data, out.data(), n);
  return n;
}

// SentencePiece's BPE, whose merges become scores or stay merges.
Json pieces(const char* normalizer, const char* pre_tokenizer, bool regular) {
  Json json = Json::parse(R"({"added_tokens":[{"id":3,"content":"</s>","special":true,"rstrip":true}],"decoder":null,
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"</s>"}}]},"model":{"type":"BPE",
    "byte_fallback":true,"unk_token":"<unk>","vocab":{"<unk>":0,"<0x41>":1,"▁":2,"a":4,"b":5,"ab":6,"▁ab":7},
    "merges":[["a","b"],["▁","ab"]]}})");
  json["normalizer"] = Json::parse(normalizer), json["pre_tokenizer"] = Json::parse(pre_tokenizer);
  if (!regular) json["model"]["vocab"]["ba"] = 8;
  return json;
}

// Writes small toys into the corpus folder (the first argument).
void seed_corpus(const std::string& folder) {
  const Json generation = {{"do_sample", true}, {"temperature", 0.5}, {"eos_token_id", {1, 2}}};
  const auto seed = [&](const std::string& name, const ToyFolder& toy, const Json& tokenizer) {
    GgufBuilder::write_bytes(
        folder + "/" + name,
        joined({toy.config.dump(), tokenizer.dump(), toy.files.at("tokenizer_config.json"), generation.dump(),
                R"({"unk_token":{"content":"<unk>"}})", R"({"chat_template":"{{ messages }}"})", "{{ bos_token }}", "",
                toy.weights.header_json().dump(), ""}));
  };
  for (const char* architecture : {"llama", "qwen2", "qwen3", "gemma3", "phi3", "minicpm"}) {
    ToyFolderOptions o;
    o.model.architecture = architecture;
    o.model.d_model = 32, o.model.n_heads = 2, o.model.n_kv_heads = 1, o.model.d_ff = 32, o.model.n_layers = 1;
    o.model.matrix_type = o.model.embedding_type = toy::kBF16;
    o.model.tokenizer = "gpt2";
    o.fused = o.model.architecture == "phi3";
    const ToyFolder toy = toy_folder(o);
    seed(std::string("toy-") + architecture, toy, toy.tokenizer);
    if (o.model.architecture != "llama") continue;
    const char* kPrepend = R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},
      {"type":"Replace","pattern":{"String":" "},"content":"▁"}]})";
    const char* kMetaspace = R"({"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":false})";
    seed("pieces-scores", toy, pieces(kPrepend, "null", true));
    seed("pieces-merges", toy, pieces(kPrepend, "null", false));
    seed("pieces-metaspace", toy, pieces("null", kMetaspace, true));
  }
}

}  // namespace

}  // namespace sluice::test

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc > 1 && std::filesystem::is_directory((*argv)[1])) sluice::test::seed_corpus((*argv)[1]);
  return 0;
}

extern "C" __attribute__((visibility("default"))) size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size,
                                                                                 size_t max_size, unsigned seed) {
  return sluice::test::mutate(data, size, max_size, seed);
}

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  sluice::test::try_folder(sluice::test::cut(data, size));
  return 0;
}
