// SPDX-License-Identifier: Apache-2.0
// libFuzzer: an input is a chat request, the JSON that the public door takes from anybody. Whatever it says, it ends
// with a prompt or with an error of the request or its template; and what the reader accepts, it reads again from what
// is printed of it.
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "runtime/chat/json_reader.h"
#include "sluice/sluice.h"

namespace sluice {
namespace {

constexpr std::string_view kSeeds[] = {
    R"({"template": "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}",
        "messages": [{"role": "user", "content": "Hi \u00fc\ud83d\ude00 {{ x }}"}, {"role": "assistant", "content": null}]})",
    R"({"template": "{{ tools | tojson }}{{ a }}{{ add_generation_prompt }}", "messages": [], "add_generation_prompt": false,
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "chat_template_kwargs": {"a": [1, -2.5e-3, true, 18446744073709551615, 1e400]}})",
    R"({"template": "{{ messages[0].content[0].text }}", "messages": [{"role": "user", "role": "system",
        "content": [{"type": "text", "text": "a"}]}], "chat_template_kwargs": null})",
    R"([[[[{"a": {"a": {"a": []}}}]]], "", 0, -0.0, 1E5])",
};

// What is accepted comes back as it was: printing and reading are each other's opposite.
void read_twice(std::string_view text) {
  using jinja::Value;
  jinja::JsonLimits limits;
  limits.max_values = 4096;
  const Result<Value> first = jinja::read_json(text, limits);
  if (!first.ok()) {
    if (first.error().code != Code::kUsage || first.error().message.empty()) abort();
    return;
  }
  std::string printed, again;
  if (!jinja::print_json(*first, {}, printed)) return;
  const Result<Value> second = jinja::read_json(printed, limits);
  if (!second.ok() || !jinja::print_json(*second, {}, again) || printed != again) abort();
}

void render(std::string_view request) {
  sluice_text prompt{};
  sluice_error error = SLUICE_ERROR_INIT;
  const sluice_status status = sluice_render_chat(nullptr, request.data(), request.size(), &prompt, &error);
  if (status != SLUICE_OK && status != SLUICE_USAGE && status != SLUICE_BAD_MODEL) abort();
  sluice_text_free(&prompt);
}

void seed_corpus(const std::string& folder) {
  int number = 0;
  for (const std::string_view text : kSeeds) {
    (void)write_small_file(folder + "/seed-" + std::to_string(number++), std::as_bytes(std::span(text))).ok();
  }
}

}  // namespace
}  // namespace sluice

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (*argc > 1 && (*argv)[1][0] != '-') sluice::seed_corpus((*argv)[1]);
  return 0;
}

extern "C" __attribute__((visibility("default"))) int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  sluice::read_twice(text);
  sluice::render(text);
  return 0;
}
