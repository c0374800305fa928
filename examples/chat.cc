// SPDX-License-Identifier: Apache-2.0
// The straight line in C++: owners that close themselves, and the model's own chat template around a question.
#include <cstdio>
#include <cstdlib>
#include <sluice/sluice.hpp>
#include <string>
#include <vector>

namespace {

sluice_error error = SLUICE_ERROR_INIT;

void must(sluice_status status) {
  if (status == SLUICE_OK) return;
  std::fprintf(stderr, "%s\n", sluice::describe(error).c_str());
  std::exit(status);
}

// {"messages":[{"role":"user","content":QUESTION}]}
std::string request_for(const std::string& question) {
  std::string text;
  for (const char c : question) {
    if (c == '"' || c == '\\') text += '\\';
    c == '\n' ? text += "\\n" : text += c;
  }
  return R"({"messages":[{"role":"user","content":")" + text + "\"}]}";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: %s MODEL.slm QUESTION\n", argv[0]), SLUICE_USAGE;

  sluice::ModelPtr model;
  must(sluice_model_open(argv[1], sluice::out(model), &error));
  sluice::PlanPtr plan;
  must(sluice_plan_make(model.get(), nullptr, sluice::out(plan), &error));  // a budget of what the machine can spare
  sluice::EnginePtr engine;
  must(sluice_engine_create(model.get(), plan.get(), nullptr, nullptr, sluice::out(engine), &error));
  sluice::SessionPtr session;
  must(sluice_session_create(engine.get(), sluice::out(session), &error));

  const std::string request = request_for(argv[2]);
  sluice::Text prompt;
  must(sluice_render_chat(model.get(), request.data(), request.size(), prompt.out(), &error));
  std::vector<int32_t> tokens(prompt.view().size() + 1);  // a byte at least each, and a leading space
  size_t n_tokens = 0;
  must(sluice_tokenize(model.get(), prompt.view().data(), prompt.view().size(), SLUICE_PARSE_SPECIAL, tokens.data(),
                       tokens.size(), &n_tokens, &error));

  std::string answer;
  sluice_request generate = SLUICE_REQUEST_INIT;
  generate.prompt = tokens.data();
  generate.n_prompt = n_tokens;
  generate.max_tokens = 64;
  generate.user = &answer;
  generate.on_token = [](void* user, int32_t, const char* text, size_t length, const sluice_logprobs*) {
    static_cast<std::string*>(user)->append(text, length);
    return true;  // false would cancel
  };
  must(sluice_generate(session.get(), &generate, nullptr, &error));
  std::printf("%s\n", answer.c_str());
  return 0;
}
