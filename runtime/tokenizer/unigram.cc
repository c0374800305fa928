// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "runtime/tokenizer/merge_queue.h"
#include "runtime/tokenizer/unicode.h"
#include "runtime/tokenizer/vocab_lookup.h"

namespace sluice {
namespace {

constexpr int32_t kUnknown = -1;
constexpr double kUnknownPenalty = 10;  // below the worst normal token, as SentencePiece has it

bool in_play(fb::TokenType type) { return type == fb::TokenType::Normal || type == fb::TokenType::UserDefined; }

}  // namespace

double Unigram::unknown_score(const fb::Vocab& vocab) {
  const float* scores = vocab.scores()->data();
  const uint8_t* types = vocab.types()->data();
  float least = 0;
  bool found = false;
  for (uint32_t i = 0; i < vocab.types()->size(); ++i) {
    if (fb::TokenType(types[i]) != fb::TokenType::Normal) continue;
    least = found ? std::min(least, scores[i]) : scores[i];
    found = true;
  }
  return least - kUnknownPenalty;
}

void Unigram::encode(std::string_view text, std::vector<int32_t>& out) {
  while (!text.empty()) {
    const std::string_view stretch = take_stretch(text);
    best_.assign(stretch.size() + 1, {-std::numeric_limits<double>::infinity(), 0, kUnknown});
    best_[0].score = 0;
    for (size_t at = 0; at < stretch.size(); at += utf8_length(stretch.substr(at))) extend(stretch, uint32_t(at));
    emit(stretch, out);
  }
}

void Unigram::offer(uint32_t from, uint32_t to, int32_t token, double score) {
  score += best_[from].score;
  if (score > best_[to].score) best_[to] = {score, from, token};
}

// All tokens that begin at `at`, where a character begins.
void Unigram::extend(std::string_view text, uint32_t at) {
  const uint32_t whole = at + uint32_t(utf8_length(text.substr(at)));
  bool whole_found = false;
  PrefixWalk walk(vocab_);
  for (uint32_t end = at; end < text.size(); ++end) {
    ++n_steps_;
    if (!walk.extend(uint8_t(text[end]))) break;
    const int32_t token = walk.token();
    if (token < 0 || !in_play(token_type(vocab_, uint32_t(token)))) continue;
    const bool always = token_type(vocab_, uint32_t(token)) == fb::TokenType::UserDefined;
    offer(at, end + 1, token, always ? 0 : double(vocab_.scores()->Get(uint32_t(token))));
    whole_found |= end + 1 == whole;
  }
  if (!whole_found) offer(at, whole, kUnknown, unknown_score_);
}

void Unigram::emit(std::string_view text, std::vector<int32_t>& out) {
  ends_.clear();
  for (uint32_t end = uint32_t(text.size()); end > 0; end = best_[end].start) ends_.push_back(end);
  std::reverse(ends_.begin(), ends_.end());
  size_t unknown_from = text.size();  // start of the run of unknown characters before this token
  for (uint32_t end : ends_) {
    const Best& best = best_[end];
    if (best.token == kUnknown) {
      unknown_from = std::min<size_t>(unknown_from, best.start);
      continue;
    }
    if (unknown_from < best.start) append_unknown(vocab_, text.substr(unknown_from, best.start - unknown_from), out);
    unknown_from = text.size();
    out.push_back(best.token);
  }
  if (unknown_from < text.size()) append_unknown(vocab_, text.substr(unknown_from), out);
}

}  // namespace sluice
