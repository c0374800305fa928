// SPDX-License-Identifier: Apache-2.0
// Texts after which a repetition counts anew (":", a line's end). They are looked for in the text that the tokens
// spell, so it does not matter how a tokenizer cuts them: a breaker may be part of a token, or lie across several.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace sluice {

inline constexpr const char* kUsualBreakers[] = {"\n", ":", "\"", "*"};

class SequenceBreakers {
 public:
  using AppendPiece = std::function<void(int32_t token, std::string& out)>;  // the bytes of a token
  SequenceBreakers(std::vector<std::string> texts, AppendPiece append_piece);

  // Reads what `history` has more than the last time; anew if it became shorter. What follows is a function of the
  // history alone. Allocates only for a token longer than all before it and kUsualPiece.
  void follow(std::span<const int32_t> history);

  // Tokens after the one in which the last breaker ended; all of them if there was none.
  size_t tokens_since() const { return n_followed_ - broken_; }

  // Whether the token's own text holds a whole breaker.
  bool breaks(int32_t token);

 private:
  static constexpr size_t kUsualPiece = 1024;

  std::vector<std::string> texts_;  // none is empty
  AppendPiece append_piece_;
  size_t longest_ = 1;
  std::string tail_;   // the last longest_ - 1 bytes of the history
  std::string piece_;  // scratch of breaks
  size_t n_followed_ = 0, broken_ = 0;
};

}  // namespace sluice
