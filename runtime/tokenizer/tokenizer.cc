// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/tokenizer.h"

#include <algorithm>

#include "runtime/tokenizer/byte_bpe.h"
#include "runtime/tokenizer/pretokenize.h"
#include "runtime/tokenizer/sentencepiece.h"
#include "runtime/tokenizer/unicode.h"
#include "runtime/tokenizer/vocab_lookup.h"

namespace sluice {
namespace {

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581 stands for a space in SentencePiece texts

// Value of a byte token's text "<0xAB>", -1 if it is something else.
int byte_value(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>') return -1;
  int value = 0;
  for (char c : text.substr(3, 2)) {
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                       : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

}  // namespace

Result<Tokenizer> Tokenizer::open(const fb::Vocab* vocab) {
  auto refuse = [](const std::string& reason) {
    return make_error(Code::kBadModel, "vocabulary", kNoOffset, "%s", reason.c_str());
  };
  if (!vocab || !vocab->offsets() || !vocab->bytes() || !vocab->types() || !vocab->text_order() ||
      !vocab->text_buckets() || !vocab->byte_tokens() || vocab->offsets()->size() != vocab->types()->size() + 1) {
    return refuse("a table is missing");
  }
  Tokenizer t;
  t.vocab_ = vocab;
  switch (vocab->kind()) {
    case fb::VocabKind::ByteBpe: {
      std::string name = vocab->pre() && vocab->pre()->size() ? vocab->pre()->str() : "default";
      t.pre_ = find_pretokenizer(name);
      if (t.pre_ < 0) return refuse("unknown pre-tokenizer \"" + name + "\"");
      break;
    }
    case fb::VocabKind::SentencePieceBpe:
      if (!vocab->scores()) return refuse("the scores are missing");
      break;
    default:
      return refuse("unknown kind of tokenizer (number " + std::to_string(int(vocab->kind())) + ")");
  }
  t.all_special_ = SpecialTokens::of(*vocab, false);
  t.always_special_ = SpecialTokens::of(*vocab, true);
  return t;
}

void Tokenizer::encode(std::string_view text, Encode options, std::vector<int32_t>& out) const {
  std::string storage;
  text = valid_utf8(text, storage);
  if (options.add_special && vocab_->add_bos() && bos() >= 0) out.push_back(bos());

  const SpecialTokens& special = options.parse_special ? all_special_ : always_special_;
  ByteBpe byte_bpe(*vocab_);
  SentencePiece sentence_piece(*vocab_);
  std::vector<size_t> word_ends;
  bool after_special = true;  // the start of the text counts like the end of a special token
  for (const Piece& piece : special.cut(*vocab_, text)) {
    if (piece.token >= 0) {
      out.push_back(piece.token);
    } else if (vocab_->kind() == fb::VocabKind::SentencePieceBpe) {
      sentence_piece.encode(piece.text, vocab_->add_space_prefix() && after_special, out);
    } else {
      word_ends.clear();
      pretokenize(pre_, piece.text, word_ends);
      size_t begin = 0;
      for (size_t end : word_ends) {
        byte_bpe.encode(piece.text.substr(begin, end - begin), out);
        begin = end;
      }
    }
    after_special = piece.token >= 0;
  }
  if (options.add_special && vocab_->add_eos() && eos() >= 0) out.push_back(eos());
}

void Tokenizer::append_piece(int32_t token, bool special, std::string& out) const {
  if (token < 0 || token >= n_vocab()) return;
  std::string_view text = token_text(*vocab_, uint32_t(token));
  switch (token_type(*vocab_, uint32_t(token))) {
    case fb::TokenType::Control:
    case fb::TokenType::Unknown:
      if (special) out += text;
      break;
    case fb::TokenType::Unused:
      break;
    case fb::TokenType::UserDefined:
      out += text;
      break;
    case fb::TokenType::Byte: {
      int value = byte_value(text);
      value < 0 ? void(out += text) : void(out += char(value));
      break;
    }
    default:  // normal
      if (vocab_->kind() != fb::VocabKind::SentencePieceBpe) {
        out += text;
        break;
      }
      for (size_t at = 0; at < text.size();) {
        bool mark = text.substr(at, kSpaceMark.size()) == kSpaceMark;
        out += mark ? ' ' : text[at];
        at += mark ? kSpaceMark.size() : 1;
      }
  }
}

std::string Tokenizer::decode(const std::vector<int32_t>& tokens, bool special) const {
  std::string text;
  for (int32_t token : tokens) append_piece(token, special, text);
  if (strips_leading_space() && !text.empty() && text[0] == ' ') text.erase(0, 1);
  return text;
}

bool Tokenizer::is_end(int32_t token) const {
  auto* ends = vocab_->end_of_generation();
  return ends && token >= 0 && std::binary_search(ends->begin(), ends->end(), uint32_t(token));
}

bool Tokenizer::is_special(int32_t token) const {
  if (token < 0 || token >= n_vocab()) return false;
  fb::TokenType type = token_type(*vocab_, uint32_t(token));
  return type == fb::TokenType::Control || type == fb::TokenType::Unknown;
}

int32_t Tokenizer::n_vocab() const { return int32_t(vocab_->types()->size()); }
int32_t Tokenizer::bos() const { return vocab_->bos(); }
int32_t Tokenizer::eos() const { return vocab_->eos(); }
bool Tokenizer::adds_bos() const { return vocab_->add_bos() && bos() >= 0; }

bool Tokenizer::strips_leading_space() const {
  return vocab_->kind() == fb::VocabKind::SentencePieceBpe && vocab_->add_space_prefix();
}

int32_t Tokenizer::find(std::string_view text) const {
  uint32_t at = find_text(*vocab_, text);
  return at < vocab_->text_order()->size() ? int32_t(token_at(*vocab_, at)) : -1;
}

}  // namespace sluice
