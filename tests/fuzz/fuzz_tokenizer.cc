// SPDX-License-Identifier: Apache-2.0
// Text that nobody checked through every pre-tokenizer and every algorithm, and a character map of arbitrary bytes.
// The first byte chooses, the rest is the map (if there is one) and the text. Vocabularies with a token for every byte
// must give the text back, bad bytes as U+FFFD; whatever the vocabulary, ids are tokens and words cover the text.
#include <iterator>

#include "runtime/tokenizer/pretokenize.h"
#include "runtime/tokenizer/unicode.h"
#include "schema/charsmap.h"
#include "schema/pretokenizers.h"
#include "tokenizer/small_vocab.h"

namespace sluice {
namespace {

void must(bool good) {
  if (!good) __builtin_trap();
}

std::vector<SmallToken> tokens_of(fb::VocabKind kind) {
  std::vector<SmallToken> tokens = {{"<s>", fb::TokenType::Control}, {"<tool>", fb::TokenType::UserDefined}};
  for (int b = 0; b < 256; ++b) {
    char name[8];
    snprintf(name, sizeof name, "<0x%02X>", b);
    if (kind == fb::VocabKind::ByteBpe)
      tokens.push_back({std::string(1, char(b))});
    else
      tokens.push_back({name, fb::TokenType::Byte});
  }
  float score = 0;
  for (const char* text :
       {"t", "h", "e", "th", "the", "\xE2\x96\x81", "\xE2\x96\x81the", "\u00E9", "\u6211", "\n", "\n\n"}) {
    const bool byte = kind == fb::VocabKind::ByteBpe && text[1] == 0;  // is there already
    if (!byte) tokens.push_back({text, fb::TokenType::Normal, score -= 1.5f});
  }
  return tokens;
}

struct Kind {
  fb::VocabKind kind;
  bool merges;
};
constexpr Kind kKinds[] = {{fb::VocabKind::ByteBpe, true},
                           {fb::VocabKind::SentencePieceBpe, false},
                           {fb::VocabKind::SentencePieceBpe, true},
                           {fb::VocabKind::Unigram, false}};

SmallVocab& vocab_of(size_t which) {
  static std::vector<SmallVocab> all = [] {
    std::vector<SmallVocab> vocabs;
    for (const Kind& k : kKinds) {
      std::vector<std::pair<std::string, std::string>> merges;
      if (k.merges) merges = {{"t", "h"}, {"th", "e"}};
      vocabs.emplace_back(k.kind, tokens_of(k.kind), merges);
      vocabs.back().t.unk = 0;
    }
    return vocabs;
  }();
  return all[which];
}

// U+2581 is a space to SentencePiece.
std::string with_spaces(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const bool mark = text.substr(at, 3) == "\xE2\x96\x81";
    out += mark ? ' ' : text[at];
    at += mark ? 3 : 1;
  }
  return out;
}

void check(uint8_t choice, std::string_view text) {
  const Kind& kind = kKinds[choice % 4];
  SmallVocab& vocab = vocab_of(choice % 4);
  vocab.t.pre = std::string(kPretokenizerNames[choice / 4 % std::size(kPretokenizerNames)].name);
  if (kind.kind != fb::VocabKind::ByteBpe) vocab.t.pre = "gemma4";
  vocab.t.charsmap.clear();
  vocab.t.collapse_spaces = false;
  const bool has_map = kind.kind == fb::VocabKind::Unigram && (choice & 4) && text.size() > 2;
  if (has_map) {
    const size_t n = std::min<size_t>(text.size() - 2, uint8_t(text[0]) * 4u);
    vocab.t.charsmap.assign(text.begin() + 1, text.begin() + 1 + ptrdiff_t(n));
    vocab.t.collapse_spaces = text[1] & 1;
    text.remove_prefix(1 + n);
    const std::string_view map(reinterpret_cast<const char*>(vocab.t.charsmap.data()), n);
    if (!Charsmap::of(map).ok()) return;
  }
  const Result<Tokenizer> tokenizer = Tokenizer::open(vocab.build());
  must(tokenizer.ok());
  for (const bool special : {false, true}) {
    std::vector<int32_t> tokens;
    tokenizer->encode(text, {special, special}, tokens);
    for (int32_t token : tokens) must(token >= 0 && token < tokenizer->n_vocab());
    if (has_map) continue;
    std::string storage, wanted(valid_utf8(text, storage));
    if (kind.kind != fb::VocabKind::ByteBpe) wanted = with_spaces(wanted);
    must(tokenizer->decode(tokens, true) == wanted);
  }
}

void check_words(uint8_t choice, std::string_view text) {
  std::string storage;
  text = valid_utf8(text, storage);
  std::vector<size_t> ends;
  pretokenize(find_pretokenizer(kPretokenizerNames[choice % std::size(kPretokenizerNames)].name), text, ends);
  size_t last = 0;
  for (size_t end : ends) {
    must(end > last);
    last = end;
  }
  must(last == text.size());
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  sluice::check(data[0], text);
  sluice::check_words(data[0], text);
  return 0;
}
