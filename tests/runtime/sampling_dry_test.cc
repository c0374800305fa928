// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <string>

#include "sampling_oracles.h"

namespace sluice::test {
namespace {

// Texts of a vocabulary of letters, some of them several.
const std::vector<std::string> kPieces = {"a", "b", "c", "d", ":", "\n", "x:", "--", "-", ">", "->", "", "e", "f"};
void append_piece(int32_t token, std::string& out) { out += kPieces.at(size_t(token)); }

std::vector<int32_t> random_tokens(size_t n, uint64_t seed, int distinct) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < n; ++i) tokens.push_back(int32_t(uniform_draw(seed, i) * distinct));
  return tokens;
}

// For every place, how far the text before it equals the text's end, token by token.
std::map<int32_t, int32_t> naive_repetitions(const std::vector<int32_t>& window, int32_t limit, int32_t allowed) {
  std::map<int32_t, int32_t> found;
  const int32_t n = int32_t(window.size());
  for (int32_t end = 1; end < n; ++end) {  // a passage ends before `end`, where its next token stands
    int32_t length = 0;
    while (length < end && window[end - 1 - length] == window[n - 1 - length]) ++length;
    length = std::min(length, limit);
    if (length >= allowed) found[window[end]] = std::max(found[window[end]], length);
  }
  return found;
}

// Tokens after the last breaker: the whole text is searched for each number of tokens.
size_t naive_tokens_since(const std::vector<int32_t>& history, const std::vector<std::string>& breakers) {
  for (size_t end = history.size(); end > 0; --end) {
    std::string before, with;
    for (size_t i = 0; i < end; ++i) append_piece(history[i], i + 1 < end ? before : with);
    const std::string text = before + with;
    for (const std::string& b : breakers)
      for (size_t at = text.find(b); at != std::string::npos; at = text.find(b, at + 1))
        if (at + b.size() > before.size()) return history.size() - end;
  }
  return history.size();
}

std::vector<float> dry_logits(const Dry& dry, const std::vector<int32_t>& window, SequenceBreakers* breakers,
                              size_t n_vocab = 14) {
  std::vector<int32_t> lengths(window.size());
  std::vector<Repetition> repetitions(window.size());
  std::vector<float> logits(n_vocab, 0.0f);
  if (breakers) breakers->follow(window);
  apply_dry(dry, window, breakers, {lengths, repetitions}, logits);
  return logits;
}

}  // namespace

TEST_CASE("repetitions are those that a search place by place finds", "[runtime][sampling]") {
  for (uint64_t seed = 0; seed < 60; ++seed)
    for (int distinct : {1, 2, 3, 6})
      for (size_t n : {0u, 1u, 2u, 3u, 20u, 61u}) {
        std::vector<int32_t> window = random_tokens(n, seed, distinct);
        if (n > 30) std::copy_n(window.begin() + 3, 15, window.end() - 15);  // a long passage said twice
        for (int32_t limit : {0, 1, 2, 5, 100})
          for (int32_t allowed : {1, 2, 4}) {
            std::vector<int32_t> lengths(n);
            std::vector<Repetition> repetitions(n);
            std::map<int32_t, int32_t> got;
            const auto found = find_repetitions(window, limit, allowed, {lengths, repetitions});
            for (const Repetition& r : found) REQUIRE(got.emplace(r.token, r.length).second);
            REQUIRE(got == naive_repetitions(window, limit, allowed));
          }
      }
}

TEST_CASE("DRY takes multiplier times base to the excess length", "[runtime][sampling]") {
  // "a b c d … a b c": d would repeat three tokens.
  const std::vector<int32_t> window = {0, 1, 2, 3, 12, 0, 1, 2};
  Dry dry{0.8f, 1.75f, 2, 64};
  std::vector<float> expected(14, 0.0f);
  expected[3] = -float(0.8f * 1.75);
  CHECK(dry_logits(dry, window, nullptr) == expected);
  dry.allowed_length = 3;
  expected[3] = -0.8f;
  CHECK(dry_logits(dry, window, nullptr) == expected);
  dry.allowed_length = 4;
  CHECK(dry_logits(dry, window, nullptr) == std::vector<float>(14, 0.0f));
}

TEST_CASE("the penalty of DRY stays finite and its power is right", "[runtime][sampling]") {
  const std::vector<int32_t> window(60, 5);  // 59 repeated tokens
  for (float base : {1.0f, 1.0000001f, 1.1f, 1.75f, 4.0f, 4.8f}) {
    const float got = dry_logits({2.0f, base, 2, 64}, window, nullptr)[5];
    double power = 1;
    for (int i = 0; i < 57 && power * base < 3.4028234e38; ++i) power *= base;
    CHECK(got == Approx(-std::min(2 * power, 3.4028234e38)).epsilon(1e-6));
  }
  CHECK(std::isfinite(dry_logits({1e30f, 1e30f, 1, 64}, window, nullptr)[5]));
  CHECK(std::isfinite(dry_logits({1, kInf, 1, 64}, window, nullptr)[5]));
}

TEST_CASE("a breaker is found wherever tokens cut it", "[runtime][sampling]") {
  for (const std::vector<std::string>& texts :
       std::vector<std::vector<std::string>>{{"\n"}, {":", "\n"}, {"->"}, {"-->", "a:"}, {"abc", ""}, {"nowhere"}, {}})
    for (uint64_t seed = 0; seed < 200; ++seed) {
      const std::vector<int32_t> history = random_tokens(12, seed, 14);
      SequenceBreakers breakers(texts, append_piece);
      std::vector<std::string> real = texts;
      std::erase(real, "");
      for (size_t n = 0; n <= history.size(); ++n) {  // token by token
        breakers.follow(std::span(history).first(n));
        REQUIRE(breakers.tokens_since() == naive_tokens_since({history.begin(), history.begin() + n}, real));
      }
      SequenceBreakers at_once(texts, append_piece);
      at_once.follow(history);
      REQUIRE(at_once.tokens_since() == breakers.tokens_since());
      breakers.follow(std::span(history).first(5));  // a shorter history begins anew
      REQUIRE(breakers.tokens_since() == naive_tokens_since({history.begin(), history.begin() + 5}, real));
    }
}

TEST_CASE("a token breaks by itself only with a whole breaker in its text", "[runtime][sampling]") {
  SequenceBreakers breakers({":", "->"}, append_piece);
  CHECK(breakers.breaks(4));
  CHECK(breakers.breaks(6));
  CHECK(breakers.breaks(10));
  CHECK(!breakers.breaks(9));  // ">" needs a "-" before it
  CHECK(!breakers.breaks(0));
}

TEST_CASE("what was said before a breaker does not make a repetition longer, and a breaker is never punished",
          "[runtime][sampling]") {
  const Dry dry{1, 2, 1, 64};
  // "a b : c d e | a b : c": two tokens would go on with d, but only c lies after the breaker.
  const std::vector<int32_t> window = {0, 1, 4, 2, 3, 12, 0, 1, 4, 2};
  SequenceBreakers none({}, append_piece), colon({":"}, append_piece);
  CHECK(dry_logits(dry, window, &none)[3] == -8);
  CHECK(dry_logits(dry, window, nullptr)[3] == -8);
  CHECK(dry_logits(dry, window, &colon)[3] == -1);
  const std::vector<int32_t> before = {0, 1, 4, 2, 0, 1};  // ":" would go on with "a b"
  SequenceBreakers fresh({":"}, append_piece), dash({"-"}, append_piece);
  CHECK(dry_logits(dry, before, &dash)[4] == -2);
  CHECK(dry_logits(dry, before, &fresh)[4] == 0);
}

TEST_CASE("DRY looks back over as many tokens as it is told", "[runtime][sampling]") {
  Accountant accountant(0);
  Sampler sampler = make_sampler(14, accountant);
  SamplingOptions options;
  options.temp = 0;
  options.dry = {100, 2, 2, -1};
  std::vector<float> logits(14, 0.0f);
  logits[3] = 5, logits[7] = 4;
  const std::vector<int32_t> history = {0, 1, 2, 3, 12, 0, 1, 2};
  CHECK(sampler.pick(options, logits, history, 8) == 7);
  options.dry.last_n = 8;
  CHECK(sampler.pick(options, logits, history, 8) == 7);
  options.dry.last_n = 6;  // only "c" is left of the passage
  CHECK(sampler.pick(options, logits, history, 8) == 3);
  for (const Dry& off : {Dry{0, 2, 2, -1}, Dry{100, 0.5f, 2, -1}, Dry{100, 2, 2, 0}, Dry{100, NAN, 2, -1}}) {
    options.dry = off;
    CHECK(sampler.pick(options, logits, history, 8) == 3);
  }
}

TEST_CASE("draws with DRY never change", "[runtime][sampling][golden]") {
  Accountant accountant(0);
  Sampler sampler = make_sampler(14, accountant);
  SequenceBreakers breakers({":", "\n"}, append_piece);
  SamplingState state;
  state.breakers = &breakers;
  SamplingOptions options = nothing_filtered();
  options.seed = 42, options.temp = 2, options.dry = {1.5f, 1.75f, 1, 64};
  std::vector<int32_t> history = {0, 1, 2};
  for (uint64_t i = 0; i < 24; ++i) {  // the same few tokens are likely all the time
    history.push_back(sampler.pick(options, smooth_logits(14, 7), history, i, &state));
  }
  CHECK(history ==
        std::vector<int32_t>{0, 1, 2, 6, 10, 7, 1, 8, 1, 6, 8, 6, 8, 8, 6, 6, 6, 10, 10, 7, 7, 8, 6, 8, 10, 8, 0});
}

}  // namespace sluice::test
