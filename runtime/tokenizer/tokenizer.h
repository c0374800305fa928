// SPDX-License-Identifier: Apache-2.0
// Text to tokens and back, on the ready-made tables of a .slm vocabulary (no table is built at open). Knows byte-level
// BPE, SentencePiece's BPE (by score or by rank) and Unigram; pre-tokenizers are hand-written linear scanners chosen by
// the file's name for them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "runtime/tokenizer/normalize.h"
#include "runtime/tokenizer/special_tokens.h"
#include "schema/model_generated.h"

namespace sluice {

class Tokenizer {
 public:
  // The vocabulary must have passed the semantic check of the reader and must outlive the tokenizer.
  // kBadModel names a kind or pre-tokenizer this program does not know.
  static Result<Tokenizer> open(const fb::Vocab* vocab);

  struct Encode {
    bool add_special = false;    // BOS / EOS where the model asks for it
    bool parse_special = false;  // control tokens written in the text become tokens (user-defined ones always do)
  };
  // Appends to `out`. Invalid UTF-8 bytes count as U+FFFD. Linear in the text's length (times log of a word's).
  void encode(std::string_view text, Encode options, std::vector<int32_t>& out) const;

  // Appends the bytes of a token: raw bytes, may end inside a UTF-8 sequence. Control and unknown tokens give nothing
  // unless `special`. Out-of-range tokens give nothing.
  void append_piece(int32_t token, bool special, std::string& out) const;

  // The whole text of a token list; a leading space that the encoder added (add_space_prefix) is dropped.
  std::string decode(const std::vector<int32_t>& tokens, bool special) const;

  bool is_end(int32_t token) const;      // end of generation
  bool is_special(int32_t token) const;  // control or unknown
  int32_t n_vocab() const;
  int32_t bos() const;  // -1: none
  int32_t eos() const;
  bool adds_bos() const;
  bool strips_leading_space() const;  // decoding a text drops one leading space (add_space_prefix)

  // The token whose text is exactly this, or -1.
  int32_t find(std::string_view text) const;

 private:
  class Encoder;

  const fb::Vocab* vocab_ = nullptr;
  int pre_ = -1;              // index into the table of pre-tokenizers; -1: this kind of vocabulary needs none
  double unknown_score_ = 0;  // of Unigram
  Normalizer normalizer_;
  SpecialTokens all_special_, always_special_;
};

// Streaming decoder: give it the bytes of token after token, take out only whole code points; what can never become
// valid UTF-8 comes out as U+FFFD.
class Utf8Stream {
 public:
  void append(std::string_view bytes, std::string& out);
  void finish(std::string& out);  // an incomplete tail becomes U+FFFD

 private:
  char held_[4] = {};
  int n_held_ = 0;
};

}  // namespace sluice
