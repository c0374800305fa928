// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/tokenizer.h"

#include <algorithm>

#include "runtime/tokenizer/pretokenize.h"
#include "runtime/tokenizer/rank_bpe.h"
#include "runtime/tokenizer/sentencepiece.h"
#include "runtime/tokenizer/unicode.h"
#include "runtime/tokenizer/unigram.h"
#include "runtime/tokenizer/vocab_lookup.h"

namespace sluice {
namespace {

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

bool in_list(const flatbuffers::Vector<uint32_t>* ascending, int32_t token) {
  return ascending && token >= 0 && std::binary_search(ascending->begin(), ascending->end(), uint32_t(token));
}

bool is_ascii_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Special tokens may swallow the white space beside them.
void strip_around_special(const fb::Vocab& vocab, std::vector<Piece>& pieces) {
  if (!vocab.strip_left() && !vocab.strip_right()) return;
  for (size_t i = 0; i < pieces.size(); ++i) {
    std::string_view& text = pieces[i].text;
    if (pieces[i].token >= 0) continue;
    if (i > 0 && in_list(vocab.strip_right(), pieces[i - 1].token)) {
      while (!text.empty() && is_ascii_space(text.front())) text.remove_prefix(1);
    }
    if (i + 1 < pieces.size() && in_list(vocab.strip_left(), pieces[i + 1].token)) {
      while (!text.empty() && is_ascii_space(text.back())) text.remove_suffix(1);
    }
  }
}

}  // namespace

// The algorithms at work, with the memory that they use again for every piece of a text.
class Tokenizer::Encoder {
 public:
  Encoder(const Tokenizer& t, std::vector<int32_t>& out)
      : t_(t), rank_bpe_(*t.vocab_), sentence_piece_(*t.vocab_), unigram_(*t.vocab_, t.unknown_score_), out_(out) {}

  void encode(std::string_view text) {
    if (t_.vocab_->kind() == fb::VocabKind::ByteBpe) {
      for_each_word(text, [&](std::string_view word) { rank_bpe_.encode_bytes(word, out_); });
      return;
    }
    // Every piece begins a text of its own: it stands at the start or behind a special token.
    t_.normalizer_.normalize(text, t_.vocab_->add_space_prefix(), normal_);
    if (t_.vocab_->kind() == fb::VocabKind::Unigram) {
      unigram_.encode(normal_, out_);
    } else if (t_.pre_ >= 0) {
      for_each_word(normal_, [&](std::string_view word) { rank_bpe_.encode_characters(word, out_); });
    } else {
      sentence_piece_.encode(normal_, out_);
    }
  }

 private:
  template <class F>
  void for_each_word(std::string_view text, F encode_word) {
    word_ends_.clear();
    pretokenize(t_.pre_, text, word_ends_);
    size_t begin = 0;
    for (size_t end : word_ends_) {
      encode_word(text.substr(begin, end - begin));
      begin = end;
    }
  }

  const Tokenizer& t_;
  RankBpe rank_bpe_;
  SentencePiece sentence_piece_;
  Unigram unigram_;
  std::string normal_;
  std::vector<size_t> word_ends_;
  std::vector<int32_t>& out_;
};

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
  const bool by_rank = vocab->kind() == fb::VocabKind::ByteBpe || merge_count(*vocab) > 0;
  switch (vocab->kind()) {
    case fb::VocabKind::ByteBpe:
    case fb::VocabKind::SentencePieceBpe:
      if (by_rank) {
        std::string name = vocab->pre() && vocab->pre()->size() ? vocab->pre()->str() : "default";
        t.pre_ = find_pretokenizer(name);
        if (t.pre_ < 0) return refuse("unknown pre-tokenizer \"" + name + "\"");
      } else if (!vocab->scores()) {
        return refuse("the scores are missing");
      }
      break;
    case fb::VocabKind::Unigram:
      if (!vocab->scores()) return refuse("the scores are missing");
      t.unknown_score_ = Unigram::unknown_score(*vocab);
      break;
    default:
      return refuse("unknown kind of tokenizer (number " + std::to_string(int(vocab->kind())) + ")");
  }
  SLUICE_TRY(t.normalizer_, Normalizer::of(*vocab));
  t.all_special_ = SpecialTokens::of(*vocab, false);
  t.always_special_ = SpecialTokens::of(*vocab, true);
  return t;
}

void Tokenizer::encode(std::string_view text, Encode options, std::vector<int32_t>& out) const {
  std::string storage;
  text = valid_utf8(text, storage);
  if (options.add_special && vocab_->add_bos() && bos() >= 0) out.push_back(bos());

  const SpecialTokens& special = options.parse_special ? all_special_ : always_special_;
  std::vector<Piece> pieces = special.cut(*vocab_, text);
  strip_around_special(*vocab_, pieces);
  Encoder encoder(*this, out);
  for (const Piece& piece : pieces) {
    if (piece.token >= 0) {
      out.push_back(piece.token);
    } else if (!piece.text.empty()) {
      encoder.encode(piece.text);
    }
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
      if (vocab_->kind() == fb::VocabKind::ByteBpe) {
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

bool Tokenizer::is_end(int32_t token) const { return in_list(vocab_->end_of_generation(), token); }

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
  return vocab_->kind() != fb::VocabKind::ByteBpe && vocab_->add_space_prefix();
}

int32_t Tokenizer::find(std::string_view text) const {
  uint32_t at = find_text(*vocab_, text);
  return at < vocab_->text_order()->size() ? int32_t(token_at(*vocab_, at)) : -1;
}

}  // namespace sluice
