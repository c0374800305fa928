// SPDX-License-Identifier: Apache-2.0
#include "converter/vocabulary.h"

#include <functional>
#include <map>

#include "slm_weights.h"
#include "sluice/convert.h"
#include "support/catch.h"
#include "support/gguf_builder.h"
#include "support/temporary_folder.h"

namespace sluice::test {

namespace {

struct Built {
  std::unique_ptr<fb::VocabT> vocab;
  std::vector<std::string> notices;
  std::string error;

  std::string text(uint32_t id) const { return std::string(TokenTexts(*vocab).text(id)); }
  uint32_t find(const std::string& text) const {
    const int32_t id = TokenTexts(*vocab).find(text);
    REQUIRE(id >= 0);
    return uint32_t(id);
  }
};

Built built(const GgufBuilder& g) {
  TemporaryFolder folder;
  g.write(folder / "v.gguf");
  Built out;
  const auto gguf = Gguf::open(folder / "v.gguf");
  if (!gguf.ok()) FAIL(gguf.error().text());
  auto vocab = build_vocabulary(gguf.value(), [&](const std::string& line) { out.notices.push_back(line); });
  if (vocab.ok()) {
    out.vocab = std::move(vocab).value();
  } else {
    out.error = vocab.error().message;
  }
  return out;
}

// A vocabulary of exactly these tokens.
GgufBuilder listed(const std::vector<std::string>& tokens, const std::vector<int32_t>& types = {},
                   const std::vector<std::string>& merges = {}) {
  GgufBuilder g;
  g.text("general.architecture", "x").text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "gpt-2");
  g.texts("tokenizer.ggml.tokens", tokens).texts("tokenizer.ggml.merges", merges);
  if (!types.empty()) g.numbers("tokenizer.ggml.token_type", gguf_id::kI32, types);
  return g;
}

}  // namespace

TEST_CASE("each of the 256 byte characters maps back to its byte", "[converter][vocabulary]") {
  std::string out;
  for (int b = 0; b < 256; ++b) {
    REQUIRE(raw_bytes(byte_character(b), out));
    CHECK(out == std::string(1, char(b)));
  }
  REQUIRE(raw_bytes("\xc4\xa0the", out));  // U+0120
  CHECK(out == " the");
  CHECK(!raw_bytes(" ", out));         // a space is never written as itself
  CHECK(!raw_bytes("\xc5\x84", out));  // U+0144: one past the last
  CHECK(!raw_bytes("\xe2\x96\x81", out));
  CHECK(!raw_bytes("\xc4", out));
}

TEST_CASE("normal tokens become raw bytes, control and user-defined ones stay literal", "[converter][vocabulary]") {
  const Built b = built(listed({"\xc4\xa0"
                                "a",
                                "\xc4\xa0"
                                "b",
                                "\xc4\xa0"
                                "c",
                                "\xe4\xb8\xad"},
                               {1, 4, 3, 1}));
  REQUIRE(b.vocab != nullptr);
  CHECK(b.text(0) == " a");
  CHECK(b.text(1) ==
        "\xc4\xa0"
        "b");
  CHECK(b.text(2) ==
        "\xc4\xa0"
        "c");
  CHECK(b.text(3) == "\xe4\xb8\xad");  // not written in byte characters: kept
  CHECK(b.vocab->offsets == std::vector<uint32_t>{0, 2, 5, 8, 11});
}

TEST_CASE("a vocabulary takes as much memory as a conversion has for it, and no more", "[converter][vocabulary]") {
  // Some short tokens for merges, and long ones up to `bytes` of tables.
  const auto filled = [](uint64_t bytes, const std::vector<std::string>& merges) {
    std::vector<std::string> tokens = {"a", "b", "ab", "aba", "ba"};
    for (uint64_t left = bytes - 9 - kTokenTableBytes * tokens.size(); left > 0;) {
      std::string text(std::min<uint64_t>(left - kTokenTableBytes, kMaxTokenBytes), 'x');
      const std::string number = std::to_string(tokens.size());
      tokens.push_back(text.replace(0, number.size(), number));
      left -= kTokenTableBytes + text.size();
    }
    return built(listed(tokens, {}, merges));
  };
  const Built most = filled(kMaxVocabularyBytes, {});
  REQUIRE(most.vocab != nullptr);
  CHECK(vocabulary_bytes(*most.vocab) == kMaxVocabularyBytes);
  const std::string refused = filled(kMaxVocabularyBytes + 1, {}).error;
  CHECK(refused.find("tokens whose texts and tables take more memory than the 40 MiB") != std::string::npos);
  const uint64_t room_for_two = kMaxVocabularyBytes - 2 * kMergeTableBytes;
  CHECK(filled(room_for_two, {"a b", "ab a"}).vocab != nullptr);
  const std::string three = filled(room_for_two, {"a b", "ab a", "a ba"}).error;
  CHECK(three.find("has 3 elements, which with the tokens take more memory") != std::string::npos);
}

TEST_CASE("texts are found by bytes, also empty ones, single bytes and prefixes", "[converter][vocabulary]") {
  GgufBuilder g;
  g.text("general.architecture", "x");
  add_byte_vocabulary(g, 300);
  const Built b = built(g);
  REQUIRE(b.vocab != nullptr);
  for (uint32_t id = 0; id < 300; ++id) CHECK(b.find(b.text(id)) == id);
  CHECK(TokenTexts(*b.vocab).find("hel") == -1);
  CHECK(TokenTexts(*b.vocab).find("") == -1);
  CHECK(b.vocab->text_buckets.size() == 65537);
  CHECK(b.vocab->text_buckets.back() == 300);
  for (int byte = 0; byte < 256; ++byte) CHECK(b.vocab->byte_tokens[size_t(byte)] == byte);
}

TEST_CASE("merges are tables of ids, sorted by pair, the first of two equal pairs wins", "[converter][vocabulary]") {
  const Built b = built(listed({"a", "b", "ab", "aba"}, {}, {"ab a", "a b", "a b"}));
  REQUIRE(b.vocab != nullptr);
  CHECK(b.vocab->merge_left == std::vector<uint32_t>{0, 2});
  CHECK(b.vocab->merge_right == std::vector<uint32_t>{1, 0});
  CHECK(b.vocab->merge_rank == std::vector<uint32_t>{1, 0});
  CHECK(b.vocab->merge_result == std::vector<uint32_t>{2, 3});
  CHECK(b.notices.empty());
}

TEST_CASE("merges without tokens are counted in a notice and left out", "[converter][vocabulary]") {
  const Built b = built(listed({"a", "b", "ab"}, {}, {"a b", "a c", "b a", "ab", "", " ", "a "}));
  REQUIRE(b.vocab != nullptr);
  CHECK(b.vocab->merge_result == std::vector<uint32_t>{2});
  REQUIRE(b.notices.size() == 1);
  CHECK(b.notices[0].find("6 merges") != std::string::npos);
}

TEST_CASE("a merge finds the mapped token, not a user-defined one with the same raw bytes", "[converter][vocabulary]") {
  // Token 0 is a literal space, token 1 the byte character for it.
  const Built b = built(listed({" ", "\xc4\xa0", "\xc4\xa0\xc4\xa0"}, {4, 1, 1}, {"\xc4\xa0 \xc4\xa0"}));
  REQUIRE(b.vocab != nullptr);
  CHECK(b.vocab->merge_left == std::vector<uint32_t>{1});
  CHECK(b.vocab->byte_tokens[' '] == 1);
}

TEST_CASE("equal texts are noticed and both keep their ids", "[converter][vocabulary]") {
  const Built b = built(listed({"a", "b", "a"}));
  REQUIRE(b.vocab != nullptr);
  CHECK(b.notices.size() == 1);
  CHECK(b.vocab->text_order == std::vector<uint32_t>{0, 2, 1});
}

TEST_CASE("special tokens are listed longest first", "[converter][vocabulary]") {
  const Built b = built(listed({"x", "<u>", "<ccc>", "<dd>", "y", "<ee>"}, {1, 2, 3, 4, 5, 3}));
  REQUIRE(b.vocab != nullptr);
  CHECK(b.vocab->special == std::vector<uint32_t>{2, 3, 5, 1});
}

TEST_CASE("the end of an answer is known by key and by text", "[converter][vocabulary]") {
  GgufBuilder g = listed({"a", "<|endoftext|>", "<|im_end|>", "</s>", "<|fim_pad|>", "stop"}, {1, 3, 1, 1, 3, 3});
  g.u32("tokenizer.ggml.eot_token_id", 5);
  const Built b = built(g);
  REQUIRE(b.vocab != nullptr);
  // </s> is ordinary text here; <|im_end|> was forgotten to be marked and becomes a control token.
  CHECK(b.vocab->end_of_generation == std::vector<uint32_t>{1, 2, 4, 5});
  CHECK(b.vocab->types[2] == uint8_t(fb::TokenType::Control));
  CHECK(b.vocab->types[3] == uint8_t(fb::TokenType::Normal));
  CHECK(b.notices.size() == 1);
}

TEST_CASE("where <|return|> and <|call|> exist, <|end|> does not end the answer", "[converter][vocabulary]") {
  CHECK(built(listed({"<|end|>"}, {3})).vocab->end_of_generation == std::vector<uint32_t>{0});
  CHECK(built(listed({"<|end|>", "<|return|>", "<|call|>"}, {3, 3, 3})).vocab->end_of_generation ==
        std::vector<uint32_t>{1, 2});
}

TEST_CASE("BOS is added by default only where the pre-tokenizer's family does", "[converter][vocabulary]") {
  const auto adds = [](const char* pre) { return built(listed({"a"}).text("tokenizer.ggml.pre", pre)).vocab->add_bos; };
  CHECK(adds("llama-bpe"));
  CHECK(adds("tekken"));
  CHECK(!adds("gpt-2"));
  CHECK(!adds("qwen2"));
  CHECK(!built(listed({"a"}).text("tokenizer.ggml.pre", "llama-bpe").boolean("tokenizer.ggml.add_bos_token", false))
             .vocab->add_bos);
  CHECK(built(listed({"a"}).text("tokenizer.ggml.pre", "llama-bpe")).vocab->ignore_merges);
  CHECK(!built(listed({"a"})).vocab->ignore_merges);
  CHECK(built(listed({"a"}).remove("tokenizer.ggml.pre")).vocab->pre == "default");
}

TEST_CASE("ids beyond the vocabulary are noticed, -1 means none", "[converter][vocabulary]") {
  Built b = built(listed({"a", "b"}).u32("tokenizer.ggml.bos_token_id", 2).u32("tokenizer.ggml.eos_token_id", 1));
  CHECK(b.vocab->bos == -1);
  CHECK(b.vocab->eos == 1);
  CHECK(b.notices.size() == 1);
  b = built(listed({"a", "b"}).number("tokenizer.ggml.bos_token_id", gguf_id::kI32, int32_t(-1)));
  CHECK(b.vocab->bos == -1);
  CHECK(b.notices.empty());
}

TEST_CASE("SentencePiece: scores, byte tokens, defaults", "[converter][vocabulary]") {
  GgufBuilder g;
  g.text("general.architecture", "x");
  add_piece_vocabulary(g, 320);
  const Built b = built(g);
  REQUIRE(b.vocab != nullptr);
  CHECK(b.vocab->kind == fb::VocabKind::SentencePieceBpe);
  CHECK(b.vocab->scores.size() == 320);
  CHECK(b.vocab->byte_tokens[0] == 3);
  CHECK(b.vocab->byte_tokens[255] == 258);
  CHECK(b.vocab->add_bos);
  CHECK(!b.vocab->add_eos);
  CHECK(!b.vocab->add_space_prefix);
  CHECK(b.vocab->merge_left.empty());
  CHECK(built(g.remove("tokenizer.ggml.add_space_prefix")).vocab->add_space_prefix);
  const Built bare = built(g.remove("tokenizer.ggml.bos_token_id")
                               .remove("tokenizer.ggml.eos_token_id")
                               .remove("tokenizer.ggml.unknown_token_id"));
  CHECK(bare.vocab->bos == 1);
  CHECK(bare.vocab->eos == 2);
  CHECK(bare.vocab->unk == 0);
}

TEST_CASE("a pre-tokenizer that the runtime does not know is noticed at conversion", "[converter][vocabulary]") {
  const Built b = built(listed({"a"}).text("tokenizer.ggml.pre", "martian"));
  REQUIRE(b.vocab != nullptr);
  CHECK(b.vocab->pre == "martian");
  REQUIRE(b.notices.size() == 1);
  CHECK(b.notices[0] == "pre-tokenizer \"martian\" is not known to this version: the model cannot be run yet");
  CHECK(built(listed({"a"}).text("tokenizer.ggml.pre", "lfm2")).notices.empty());
  CHECK(built(listed({"a"}).remove("tokenizer.ggml.pre")).notices.size() == 1);  // the default may be wrong
}

TEST_CASE("SentencePiece with merges: ranks in place of scores, no byte token in a merge", "[converter][vocabulary]") {
  GgufBuilder g = listed({"a", "b", "ab", "<0x61>", "<0x61>b", "</s>", "<|tool_response>"}, {1, 1, 1, 6, 1, 3, 3},
                         {"a b", "<0x61> b"});
  g.text("tokenizer.ggml.model", "gemma4");
  const Built b = built(g);
  REQUIRE(b.vocab != nullptr);
  CHECK(b.vocab->kind == fb::VocabKind::SentencePieceBpe);
  CHECK(b.vocab->pre == "gemma4");
  CHECK(b.vocab->merge_result == std::vector<uint32_t>{2});
  CHECK(b.vocab->scores == std::vector<float>(7));
  CHECK(b.vocab->byte_tokens['a'] == 3);
  CHECK(!b.vocab->add_bos);
  CHECK(!b.vocab->add_space_prefix);
  CHECK(b.vocab->end_of_generation == std::vector<uint32_t>{6});
  CHECK(b.vocab->types[5] == uint8_t(fb::TokenType::Normal));  // </s> is a word here
  CHECK(b.vocab->special == std::vector<uint32_t>{6});
  CHECK(built(g.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", "gemma4")).vocab->kind ==
        fb::VocabKind::SentencePieceBpe);
}

TEST_CASE("Unigram: scores, normalization, defaults", "[converter][vocabulary]") {
  // One key, "b" (unit 98 ^ 0), whose value is the text at 0.
  std::vector<uint8_t> map(4 + 128 * 4);
  map[1] = 2;  // 512 bytes of double array
  const auto unit = [&](size_t i, uint32_t value) { memcpy(map.data() + 4 + i * 4, &value, 4); };
  unit('b', uint32_t('b') | 1u << 8 | uint32_t(1) << 10);
  unit('b' ^ 1, 1u << 31);
  for (const char c : {'a', '\0'}) map.push_back(uint8_t(c));
  GgufBuilder g = listed({"<pad>", "</s>", "<unk>", "a", "\xe2\x96\x81"}, {3, 3, 2, 1, 1});
  g.text("tokenizer.ggml.model", "t5")
      .numbers("tokenizer.ggml.scores", gguf_id::kF32, std::vector<float>{0, 0, 0, -1, -2});
  g.numbers("tokenizer.ggml.precompiled_charsmap", gguf_id::kU8, map);
  g.boolean("tokenizer.ggml.add_space_prefix", true).boolean("tokenizer.ggml.remove_extra_whitespaces", true);
  const Built b = built(g);
  REQUIRE(b.vocab != nullptr);
  CHECK(b.vocab->kind == fb::VocabKind::Unigram);
  CHECK(b.vocab->charsmap == map);
  CHECK(b.vocab->collapse_spaces);
  CHECK(b.vocab->add_space_prefix);
  CHECK(b.vocab->pad == 0);
  CHECK(b.vocab->eos == 1);
  CHECK(b.vocab->unk == 2);
  CHECK(b.vocab->bos == -1);
  CHECK(!b.vocab->add_bos);
  CHECK(b.vocab->add_eos);
  CHECK(b.notices.empty());

  const auto error = [&](const std::vector<uint8_t>& bytes) {
    return built(GgufBuilder(g).numbers("tokenizer.ggml.precompiled_charsmap", gguf_id::kU8, bytes)).error;
  };
  CHECK(error({1, 2, 3}).find("precompiled_charsmap is broken") != std::string::npos);
  map.back() = 'x';
  CHECK(error(map).find("no end") != std::string::npos);
  CHECK(error(std::vector<uint8_t>(kMaxCharsmapBytes + 1)).find("more than") != std::string::npos);
  CHECK(built(GgufBuilder(g).u32("tokenizer.ggml.precompiled_charsmap", 1)).error.find("bytes") != std::string::npos);
  CHECK(!built(GgufBuilder(g).remove("tokenizer.ggml.scores")).error.empty());
  const auto longest = [&](size_t n) {
    return built(GgufBuilder(g).texts("tokenizer.ggml.tokens", {"<pad>", "</s>", "<unk>", "a", std::string(n, 'b')}))
        .error;
  };
  CHECK(longest(kMaxUnigramBytes) == "");
  CHECK(longest(kMaxUnigramBytes + 1).find("a token of 1025 bytes") != std::string::npos);
}

TEST_CASE("the special tokens of Phi-3 swallow the white space behind them", "[converter][vocabulary]") {
  const GgufBuilder g = listed({"a", "<s>", "<|end|>", "<|user|>", "<unk>"}, {1, 3, 3, 4, 2});
  CHECK(built(GgufBuilder(g).text("general.name", "My Phi-3 mini")).vocab->strip_right == std::vector<uint32_t>{2, 3});
  CHECK(built(GgufBuilder(g).text("general.name", "Phi-4")).vocab->strip_right.empty());
  CHECK(built(g).vocab->strip_right.empty());
}

TEST_CASE("vocabularies that contradict themselves are refused with the key", "[converter][vocabulary]") {
  const auto error = [](const GgufBuilder& g) { return built(g).error; };
  const auto says = [](const std::string& message, const char* part) {
    return message.find(part) != std::string::npos;
  };
  CHECK(says(error(listed({"a"}).text("tokenizer.ggml.model", "bert")), "\"bert\""));
  CHECK(says(error(listed({"a"}).remove("tokenizer.ggml.model")), "tokenizer.ggml.model is missing"));
  CHECK(says(error(listed({"a"}).remove("tokenizer.ggml.tokens")), "tokenizer.ggml.tokens is missing"));
  CHECK(says(error(listed({"a"}).remove("tokenizer.ggml.merges")), "tokenizer.ggml.merges is missing"));
  CHECK(says(error(listed({})), "1 to"));
  CHECK(says(error(listed({"a", "b"}, {1})), "1 elements for 2 tokens"));
  CHECK(says(error(listed({"a"}, {7})), "unknown type 7"));
  CHECK(says(error(listed({"a"}, {-1})), "negative"));
  CHECK(says(error(listed({"a"}).numbers("tokenizer.ggml.tokens", gguf_id::kU32, std::vector<uint32_t>{1})),
             "array of u32"));
  CHECK(says(error(listed({"a"}).boolean("tokenizer.ggml.bos_token_id", true)), "not a token id"));
  CHECK(says(error(listed({std::string(65537, 'a')})), "65537 bytes"));
  CHECK(error(listed({std::string(65536, 'a')})).empty());
  GgufBuilder g;
  add_piece_vocabulary(g, 320);
  CHECK(says(error(GgufBuilder(g).remove("tokenizer.ggml.scores")), "scores is missing"));
  CHECK(says(error(GgufBuilder(g).numbers("tokenizer.ggml.scores", gguf_id::kF32, std::vector<float>(319))),
             "319 elements for 320"));
  CHECK(says(error(GgufBuilder(g).numbers("tokenizer.ggml.scores", gguf_id::kF32, std::vector<float>(320, NAN))),
             "not a finite"));
}

TEST_CASE("chat templates, the default and named ones, and sampling values reach the header",
          "[converter][vocabulary]") {
  TemporaryFolder folder;
  GgufBuilder g = toy_gguf({});
  g.text("tokenizer.chat_template", "plain").text("tokenizer.chat_template.tool_use", "tools");
  g.f32("general.sampling.temp", 0.6f).number("general.sampling.top_k", gguf_id::kI32, int32_t(20));
  g.number("general.sampling.penalty_last_n", gguf_id::kI32, int32_t(-1));
  g.f32("general.sampling.xtc_probability", 0.5f).f32("general.sampling.xtc_threshold", 0.2f);
  g.number("general.sampling.mirostat", gguf_id::kI32, int32_t(2)).f32("general.sampling.mirostat_tau", 4);
  g.write(folder / "v.gguf");
  REQUIRE(convert_file(folder / "v.gguf", folder / "v.slm").ok());
  SlmWeights slm(folder / "v.slm");
  CHECK(slm.header().chat_template()->str() == "plain");
  REQUIRE(slm.header().chat_templates()->size() == 1);
  CHECK(slm.header().chat_templates()->Get(0)->name()->str() == "tool_use");
  CHECK(slm.header().chat_templates()->Get(0)->text()->str() == "tools");
  CHECK(slm.header().sampling()->temp() == 0.6f);
  CHECK(slm.header().sampling()->top_k() == 20);
  CHECK(slm.header().sampling()->top_p() == -1.0f);
  CHECK(slm.header().sampling()->penalty_last_n() == -1);
  CHECK(slm.header().sampling()->xtc_probability() == 0.5f);
  CHECK(slm.header().sampling()->xtc_threshold() == 0.2f);
  CHECK(slm.header().sampling()->mirostat() == 2);
  CHECK(slm.header().sampling()->mirostat_tau() == 4.0f);
  CHECK(slm.header().sampling()->mirostat_eta() == -1.0f);

  g.text("tokenizer.chat_template", std::string(kMaxTemplateBytes + 1, ' ')).write(folder / "v.gguf");
  CHECK(!convert_file(folder / "v.gguf", folder / "v.slm").ok());
  g.text("tokenizer.chat_template", std::string(kMaxTemplateBytes, ' ')).write(folder / "v.gguf");
  CHECK(convert_file(folder / "v.gguf", folder / "v.slm").ok());
  g.text("tokenizer.chat_template", "\xff").write(folder / "v.gguf");
  CHECK(!convert_file(folder / "v.gguf", folder / "v.slm").ok());
}

}  // namespace sluice::test
