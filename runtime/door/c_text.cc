// SPDX-License-Identifier: Apache-2.0
// The C door: text to tokens and back, chat templates.
#include "runtime/chat/chat_template.h"
#include "runtime/door/handles.h"

using namespace sluice;
using namespace sluice::door;

namespace {

constexpr const char* kRender = "sluice_render_chat";

Error bad_request(const char* what) { return make_error(Code::kUsage, kRender, kNoOffset, "%s", what); }

// The text of a special token, for templates that write it.
std::string token_text(const Tokenizer& tokenizer, int32_t token) {
  std::string text;
  if (token >= 0) tokenizer.append_piece(token, true, text);
  return text;
}

Result<std::string> template_text(const Model* model, const Json& request) {
  if (const auto own = request.find("template"); own != request.end()) {
    if (!own->is_string()) return bad_request("\"template\" must be a string");
    return own->get<std::string>();
  }
  if (model == nullptr) return bad_request("without a model the request needs a \"template\"");
  std::string text(model->chat_template());
  if (text.empty())
    return make_error(Code::kUsage, model->name(), kNoOffset, "this model has no chat template: give it plain text");
  return text;
}

Result<std::string> render(const Model* model, std::string_view request_text) {
  Json request = Json::parse(request_text, nullptr, false);
  if (!request.is_object()) return bad_request("the request is not a JSON object");
  SLUICE_TRY(const std::string text, template_text(model, request));
  request.erase("template");
  if (const auto messages = request.find("messages"); messages == request.end() || !messages->is_array())
    return bad_request("\"messages\" must be an array");
  if (!request.contains("add_generation_prompt")) request["add_generation_prompt"] = true;
  if (model != nullptr) {
    const Tokenizer& tokenizer = model->tokenizer();
    if (!request.contains("bos_token")) request["bos_token"] = token_text(tokenizer, tokenizer.bos());
    if (!request.contains("eos_token")) request["eos_token"] = token_text(tokenizer, tokenizer.eos());
  }
  SLUICE_TRY(ChatTemplate parsed, ChatTemplate::parse(text));
  return parsed.render(request);
}

}  // namespace

sluice_status sluice_tokenize(const sluice_model* model, const char* text, size_t length, uint32_t flags,
                              int32_t* tokens, size_t capacity, size_t* n_tokens, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_tokenize", model, n_tokens));
    if ((text == nullptr && length > 0) || (tokens == nullptr && capacity > 0))
      return require("sluice_tokenize", static_cast<const char*>(nullptr));
    std::vector<int32_t> list;
    const Tokenizer::Encode options{(flags & SLUICE_ADD_SPECIAL) != 0, (flags & SLUICE_PARSE_SPECIAL) != 0};
    model->model->tokenizer().encode(std::string_view(text ? text : "", length), options, list);
    *n_tokens = list.size();
    std::copy_n(list.begin(), std::min(capacity, list.size()), tokens);
    if (list.size() <= capacity) return {};
    return make_error(Code::kFailed, "sluice_tokenize", kNoOffset, "%zu tokens do not fit the %zu places given",
                      list.size(), capacity);
  });
}

sluice_status sluice_detokenize(const sluice_model* model, const int32_t* tokens, size_t n_tokens, bool special,
                                sluice_text* text, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_detokenize", model, text));
    if (tokens == nullptr && n_tokens > 0) return require("sluice_detokenize", tokens);
    const std::string bytes = model->model->tokenizer().decode(std::vector<int32_t>(tokens, tokens + n_tokens), special);
    std::string whole;
    Utf8Stream stream;
    stream.append(bytes, whole);
    stream.finish(whole);
    give_text(whole, text);
    return {};
  });
}

bool sluice_token_is_end(const sluice_model* model, int32_t token) {
  return model != nullptr && model->model->tokenizer().is_end(token);
}

sluice_status sluice_render_chat(const sluice_model* model, const char* request, size_t length, sluice_text* prompt,
                                 sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require(kRender, request, prompt));
    SLUICE_TRY(const std::string text, render(model ? model->model.get() : nullptr, {request, length}));
    give_text(text, prompt);
    return {};
  });
}
