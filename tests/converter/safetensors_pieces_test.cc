// SPDX-License-Identifier: Apache-2.0
// Folders with SentencePiece's BPE: when their merges say no more than an order of tokens they become scores, else they
// stay merges; and what the lists of a tokenizer.json may hold at most.
#include <map>

#include "converter/hf_tokenizer.h"
#include "safetensors_folder.h"
#include "slm_weights.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

using Merges = std::vector<std::vector<std::string>>;

Json pieces_tokenizer(const std::vector<std::string>& tokens, const Merges& merges) {
  Json json = Json::parse(R"({"added_tokens":[],"normalizer":{"type":"Prepend","prepend":"▁"},"pre_tokenizer":null,
    "post_processor":null,"decoder":null,"model":{"type":"BPE","byte_fallback":true,"unk_token":"<unk>",
    "vocab":{"<unk>":0},"merges":[]}})");
  for (const std::string& token : tokens) {
    const size_t id = json["model"]["vocab"].size();
    json["model"]["vocab"][token] = id;
  }
  json["model"]["merges"] = merges;
  return json;
}

// What the merges became, or the error.
std::string kept_as(const Json& tokenizer) {
  TemporaryFolder place;
  ToyFolderOptions o;
  o.model.matrix_type = o.model.embedding_type = toy::kF32;
  ToyFolder toy = toy_folder(o);
  toy.tokenizer = tokenizer;
  toy.files.clear();
  toy.write(place / "model");
  const auto report = convert_file(place / "model", place / "m.slm");
  if (!report.ok()) return report.error().text();
  SlmWeights slm(place / "m.slm");
  const fb::Vocab& vocab = *slm.header().vocab();
  if (vocab.kind() != fb::VocabKind::SentencePieceBpe) return "another kind";
  return vocab.merge_left() && vocab.merge_left()->size() > 0 ? "merges" : "scores";
}

std::string as(size_t n) { return std::string(n, 'a'); }

// The message of a tokenizer.json with these texts in place of a toy's.
std::string message(const std::string& tokenizer) {
  TemporaryFolder place;
  ToyFolderOptions o;
  o.model.matrix_type = o.model.embedding_type = toy::kF32;
  ToyFolder toy = toy_folder(o);
  toy.files["tokenizer.json"] = tokenizer;
  toy.write(place / "model");
  const auto report = convert_file(place / "model", place / "m.slm");
  return report.ok() ? "" : report.error().message;
}

std::string byte_level(const std::string& added, const std::string& vocab, const std::string& merges) {
  return "{\"added_tokens\":[" + added +
         "],\"pre_tokenizer\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"vocab\":{" + vocab +
         "},\"merges\":[" + merges + "]}}";
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("merges become scores only where scores merge the same", "[converter][safetensors]") {
  CHECK(kept_as(pieces_tokenizer({"a", "b", "ab"}, {{"a", "b"}})) == "scores");
  CHECK(kept_as(pieces_tokenizer({"a", "b", "ab", "aab"}, {{"a", "b"}, {"a", "ab"}})) == "scores");
  // A token that two others spell, but no merge gives: scores would make it.
  CHECK(kept_as(pieces_tokenizer({"a", "b", "ab", "ba"}, {{"a", "b"}})) == "merges");
  CHECK(has(kept_as(pieces_tokenizer({"a", "b", "ab"}, {})), "no merges"));
  // One of two ways to get it.
  CHECK(kept_as(pieces_tokenizer({"a", "aa", "aaa"}, {{"a", "a"}, {"a", "aa"}})) == "merges");
  CHECK(kept_as(pieces_tokenizer({"a", "aa", "aaa"}, {{"a", "a"}, {"a", "aa"}, {"aa", "a"}})) == "scores");
  // Its merges do not stand together.
  CHECK(kept_as(pieces_tokenizer({"a", "b", "aa", "ab", "aaa"}, {{"a", "a"}, {"a", "aa"}, {"a", "b"}, {"aa", "a"}})) ==
        "merges");
  // Tokens that are found before anything is merged, and tokens of bytes, do not count.
  Json apart = pieces_tokenizer({"a", "b", "ab", "<", "s>", "<0", "x41>", "<0x41>", "<s>"}, {{"a", "b"}});
  apart["added_tokens"].push_back({{"id", 9}, {"content", "<s>"}, {"special", true}});
  CHECK(kept_as(apart) == "scores");
}

TEST_CASE("merges of tokens of up to 256 bytes are compared with scores", "[converter][safetensors]") {
  const auto kept = [](size_t n) {
    return kept_as(pieces_tokenizer({"a", as(n - 1), as(n)}, {{"a", as(n - 1)}, {as(n - 1), "a"}}));
  };
  CHECK(kept(kMaxHfComparedBytes) == "scores");
  CHECK(kept(kMaxHfComparedBytes + 1) == "merges");
}

TEST_CASE("limits of the lists of a tokenizer hold at their edge", "[converter][safetensors][hostile]") {
  std::string added, vocab, merges;
  const auto comma = [](std::string& list) -> std::string& { return list += list.empty() ? "" : ","; };
  const auto token = [](size_t id, const std::string& text) {
    return "{\"id\":" + std::to_string(id) + ",\"content\":\"" + text + "\"}";
  };
  for (size_t i = 0; i < kMaxHfAddedTokens; ++i) comma(added) += token(i, std::to_string(i));
  CHECK(!has(message(byte_level(added, "\"a\":0", "")), "added tokens"));
  comma(added) += token(kMaxHfAddedTokens, "x");
  CHECK(has(message(byte_level(added, "\"a\":0", "")), "more than 65536 added tokens"));

  const std::string room(kMaxHfTokens, ' ');  // a smaller file cannot have so many tokens
  CHECK(!has(message(byte_level("", "\"a\":1048575", "") + room), "an id"));
  CHECK(has(message(byte_level("", "\"a\":1048576", "") + room), "an id is no whole number from 0 to 1048575"));
  CHECK(
      has(message(byte_level(token(kMaxHfTokens, "x"), "\"a\":0", "")), "an id is no whole number from 0 to 1048575"));

  const size_t n = kMaxHfVocabBytes / kMaxTokenBytes;
  REQUIRE(n * kMaxTokenBytes == kMaxHfVocabBytes);
  const auto long_text = [](size_t i) {
    std::string text(kMaxTokenBytes, 'x');
    const std::string number = std::to_string(i);
    return text.replace(0, number.size(), number);
  };
  added.clear();
  for (size_t i = 0; i < n; ++i) {
    comma(added) += token(i + 1, long_text(i));
    comma(vocab) += "\"" + long_text(i) + "\":" + std::to_string(i);
  }
  CHECK(!has(message(byte_level(added, "\"a\":0", "")), "bytes of text"));
  CHECK(has(message(byte_level(added + "," + token(0, "a"), "\"a\":0", "")), "8388608 bytes of text"));
  CHECK(!has(message(byte_level("", vocab, "")), "bytes of text"));
  CHECK(has(message(byte_level("", vocab + ",\"a\":600", "")), "8388608 bytes of text"));

  // A merge counts its texts, the space between and eight bytes more.
  const auto merge = [](size_t bytes) { return "[\"" + as(bytes / 2) + "\",\"" + as(bytes - bytes / 2) + "\"]"; };
  constexpr size_t kLongest = 2 * kMaxTokenBytes, kMore = 9;
  size_t left = kMaxHfMergeBytes;
  for (; left > 2 * (kLongest + kMore); left -= kLongest + kMore) comma(merges) += merge(kLongest);
  const size_t half = left / 2 - kMore;
  comma(merges) += merge(half);
  const size_t last = left - half - 2 * kMore;
  CHECK(!has(message(byte_level("", "\"a\":0", merges + "," + merge(last))), "merges or"));
  CHECK(has(message(byte_level("", "\"a\":0", merges + "," + merge(last + 1))), "25165824 bytes of them"));
}

}  // namespace sluice::test
