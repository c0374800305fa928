// SPDX-License-Identifier: Apache-2.0
#include "runtime/session/generate.h"

#include "support/catch.h"
#include "toy.h"

namespace sluice::test {
namespace {

struct Answer {
  GenerateResult result;
  std::vector<int32_t> tokens;
  std::string text;
  std::vector<std::string> pieces;
};

GenerateRequest greedy(const std::vector<int32_t>& prompt, uint64_t max_tokens) {
  GenerateRequest request;
  request.prompt = prompt;
  request.max_tokens = max_tokens;
  request.sampling.temp = 0;
  request.ignore_end = true;
  return request;
}

Answer answer(Session& session, GenerateRequest request) {
  Answer a;
  auto inner = request.on_token;
  request.on_token = [&](int32_t token, std::string_view text, const TokenLogProbs* logprobs) {
    a.tokens.push_back(token);
    a.pieces.emplace_back(text);
    a.text += text;
    return !inner || inner(token, text, logprobs);
  };
  auto result = generate(session, request);
  REQUIRE(result.ok());
  a.result = *result;
  return a;
}

struct Fixture {
  TemporaryFolder folder;
  std::string path = make_toy(folder);
  ToyEngine toy = load_toy(path, {.n_ctx = 128, .max_rows = 16});
  Session& session() { return *toy.session; }
};

bool is_utf8(const std::string& text) {
  std::string out;
  Utf8Stream stream;
  stream.append(text, out);
  stream.finish(out);
  return out == text;
}

}  // namespace

TEST_CASE_METHOD(Fixture, "greedy answers are equal on every run, thread count and instruction set", "[runtime][generate]") {
  const std::vector<int32_t> prompt = toy_tokens(20);
  const Answer first = answer(session(), greedy(prompt, 40));
  CHECK(first.tokens.size() == 40);
  CHECK(first.result.finish == Finish::kLength);
  CHECK(first.result.n_generated == 40);
  CHECK(answer(session(), greedy(prompt, 40)).tokens == first.tokens);
  for (const std::string& isa : cpu_isas()) {
    ToyEngine other = load_toy(path, {.n_threads = 3, .n_ctx = 128, .isa = isa});
    CHECK(answer(*other.session, greedy(prompt, 40)).tokens == first.tokens);
  }
}

TEST_CASE_METHOD(Fixture, "what the session holds of a prompt is reused without changing the answer", "[runtime][generate]") {
  std::vector<int32_t> prompt = toy_tokens(20);
  const Answer first = answer(session(), greedy(prompt, 10));
  CHECK(first.result.n_reused == 0);
  prompt.insert(prompt.end(), first.tokens.begin(), first.tokens.end());
  prompt.push_back(7);
  const Answer second = answer(session(), greedy(prompt, 10));
  CHECK(second.result.n_reused == 29);  // the last token of the answer was never fed
  const Answer same = answer(session(), greedy(prompt, 10));
  CHECK(same.result.n_reused == prompt.size() - 1);  // the logits of the last token are needed
  ToyEngine fresh = load_toy(path, {.n_ctx = 128});
  CHECK(answer(*fresh.session, greedy(prompt, 10)).tokens == second.tokens);
  CHECK(same.tokens == second.tokens);
}

TEST_CASE_METHOD(Fixture, "an empty prompt is a usage error", "[runtime][generate]") {
  const auto result = generate(session(), greedy({}, 5));
  REQUIRE(!result.ok());
  CHECK(result.error().code == Code::kUsage);
}

TEST_CASE_METHOD(Fixture, "a prompt that fills the context is a usage error, one shorter gives one token", "[runtime][generate]") {
  const std::vector<int32_t> full = toy_tokens(128);
  CHECK(generate(session(), greedy(full, 5)).error().code == Code::kUsage);
  const std::vector<int32_t> nearly = toy_tokens(127);
  const Answer a = answer(session(), greedy(nearly, 0));
  CHECK(a.tokens.size() == 1);
  CHECK(a.result.finish == Finish::kLength);
}

TEST_CASE_METHOD(Fixture, "without a limit the answer ends with the context", "[runtime][generate]") {
  const std::vector<int32_t> prompt = toy_tokens(100);
  const Answer a = answer(session(), greedy(prompt, 0));
  CHECK(a.tokens.size() == 28);
}

TEST_CASE_METHOD(Fixture, "an end token ends the answer and is counted but has no text", "[runtime][generate]") {
  const int32_t end = toy.model->tokenizer().find("<|im_end|>");
  REQUIRE(toy.model->tokenizer().is_end(end));
  const std::vector<int32_t> prompt = toy_tokens(5);
  GenerateRequest request = greedy(prompt, 10);
  request.ignore_end = false;
  const TokenBias bias[] = {{end, 1000}};
  request.sampling.bias = bias;
  const Answer a = answer(session(), request);
  CHECK(a.tokens == std::vector<int32_t>{end});
  CHECK(a.text.empty());
  CHECK(a.result.finish == Finish::kStop);
  request.text_special = true;
  CHECK(answer(session(), request).text == "<|im_end|>");
  request.ignore_end = true;
  CHECK(answer(session(), request).tokens.size() == 10);
}

TEST_CASE_METHOD(Fixture, "a stop string ends the answer wherever its tokens part", "[runtime][generate]") {
  const std::vector<int32_t> prompt = toy_tokens(20);
  GenerateRequest request = greedy(prompt, 40);
  request.sampling.temp = 5, request.sampling.top_k = 0, request.sampling.top_p = 1, request.sampling.min_p = 0;
  const Answer whole = answer(session(), request);
  REQUIRE(whole.text.size() > 12);
  size_t begin = 4;
  while ((static_cast<unsigned char>(whole.text[begin]) & 0xC0) == 0x80) ++begin;
  size_t end = begin + 5;
  while (end < whole.text.size() && (static_cast<unsigned char>(whole.text[end]) & 0xC0) == 0x80) ++end;
  request.stop = {whole.text.substr(begin, end - begin), "never in the text"};
  const Answer stopped = answer(session(), request);
  CHECK(stopped.result.finish == Finish::kStop);
  CHECK(stopped.text == whole.text.substr(0, whole.text.find(request.stop[0])));
  CHECK(stopped.tokens.size() < 40);
}

TEST_CASE_METHOD(Fixture, "every piece of text is whole UTF-8", "[runtime][generate]") {
  GenerateRequest request;
  const std::vector<int32_t> prompt = toy_tokens(3);
  request.prompt = prompt;
  request.sampling.temp = 5, request.sampling.top_k = 0, request.sampling.top_p = 1, request.sampling.min_p = 0;
  request.max_tokens = 100;
  request.ignore_end = true;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    request.sampling.seed = seed;
    for (const std::string& piece : answer(session(), request).pieces) REQUIRE(is_utf8(piece));
  }
}

TEST_CASE_METHOD(Fixture, "equal seeds give equal answers and other seeds others", "[runtime][generate]") {
  const std::vector<int32_t> prompt = toy_tokens(10);
  GenerateRequest request = greedy(prompt, 30);
  request.sampling.temp = 1.5f, request.sampling.seed = 11;
  const Answer a = answer(session(), request);
  CHECK(answer(session(), request).tokens == a.tokens);
  request.sampling.seed = 12;
  CHECK(answer(session(), request).tokens != a.tokens);
}

TEST_CASE_METHOD(Fixture, "a cancel ends the answer and leaves the session usable", "[runtime][generate]") {
  const std::vector<int32_t> prompt = toy_tokens(20);
  const Answer whole = answer(session(), greedy(prompt, 30));
  GenerateRequest request = greedy(prompt, 30);
  int n = 0;
  request.on_token = [&](int32_t, std::string_view, const TokenLogProbs*) { return ++n < 5; };
  const Answer refused = answer(session(), request);
  CHECK(refused.result.finish == Finish::kCancelled);
  CHECK(refused.tokens.size() == 5);
  n = 0;
  request.on_token = [&](int32_t, std::string_view, const TokenLogProbs*) {
    if (++n == 5) session().cancel();
    return true;
  };
  const Answer flagged = answer(session(), request);
  CHECK(flagged.result.finish == Finish::kCancelled);
  CHECK(flagged.tokens.size() == 6);
  request = greedy(prompt, 30);
  REQUIRE(session().truncate(0).ok());
  request.on_prefill = [](size_t done, size_t) { return done < 16; };
  const Answer early = answer(session(), request);
  CHECK(early.result.finish == Finish::kCancelled);
  CHECK(early.tokens.empty());
  session().cancel();  // too late for any answer: the next one does not hear it
  CHECK(answer(session(), greedy(prompt, 30)).tokens == whole.tokens);
}

TEST_CASE_METHOD(Fixture, "log-probabilities are the model's own, whatever the filters do", "[runtime][generate]") {
  const std::vector<int32_t> prompt = toy_tokens(10);
  const Answer plain = answer(session(), greedy(prompt, 1));
  GenerateRequest request = greedy(prompt, 1);
  request.n_logprobs = 5;
  const int32_t forced = plain.tokens[0] == 4 ? 5 : 4;
  const TokenBias bias[] = {{forced, 1000}};
  request.sampling.bias = bias;
  TokenLogProbs got;
  request.on_token = [&](int32_t, std::string_view, const TokenLogProbs* logprobs) {
    REQUIRE(logprobs != nullptr);
    got = *logprobs;
    return true;
  };
  CHECK(answer(session(), request).tokens == std::vector<int32_t>{forced});
  CHECK(got.n == 5);
  CHECK(got.tokens[0] == plain.tokens[0]);
  for (uint32_t i = 1; i < got.n; ++i) CHECK(got.values[i] <= got.values[i - 1]);
  CHECK(got.chosen <= got.values[0]);
  CHECK(got.chosen < 0);
}

}  // namespace sluice::test
