// SPDX-License-Identifier: Apache-2.0
// The C door: text to tokens and back, chat templates.
#include <set>

#include "runtime/chat/chat_template.h"
#include "runtime/chat/json_reader.h"
#include "runtime/door/handles.h"

using namespace sluice;
using namespace sluice::door;

namespace {

constexpr const char* kRender = "sluice_render_chat";

Error bad_request(const char* what) { return make_error(Code::kUsage, kRender, kNoOffset, "%s", what); }

// The text of a special token, for templates that write it.
jinja::Value token_text(const Tokenizer& tokenizer, int32_t token) {
  std::string text;
  if (token >= 0) tokenizer.append_piece(token, true, text);
  return jinja::string_of_bytes(text);
}

Result<std::string> template_text(const Model* model, const jinja::Dict& request) {
  if (const jinja::Value* own = request.find("template")) {
    if (!own->is(jinja::Kind::kString)) return bad_request("\"template\" must be a string");
    return own->text();
  }
  if (model == nullptr) return bad_request("without a model the request needs a \"template\"");
  std::string text(model->chat_template());
  if (text.empty())
    return make_error(Code::kUsage, model->name(), kNoOffset, "this model has no chat template: give it plain text");
  return text;
}

void set_default(jinja::Dict& request, const char* name, jinja::Value value) {
  if (request.find(name) == nullptr) request.items.emplace_back(jinja::Value::string(name), std::move(value));
}

// Members of "chat_template_kwargs", where clients put what only some templates read (enable_thinking, …), become
// variables like all others; they win.
Status spread_kwargs(jinja::Dict& request) {
  constexpr const char* kName = "chat_template_kwargs";
  const jinja::Value* found = request.find(kName);
  if (found == nullptr) return {};
  const jinja::Value kwargs = *found;
  std::erase_if(request.items, [](const auto& member) { return member.first.text() == kName; });
  if (kwargs.is(jinja::Kind::kNone)) return {};
  if (!kwargs.is(jinja::Kind::kDict)) return bad_request("\"chat_template_kwargs\" must be an object");
  std::set<std::string_view> names;
  for (const auto& member : kwargs.dict().items) names.insert(member.first.text());
  std::erase_if(request.items, [&](const auto& member) { return names.count(member.first.text()) > 0; });
  request.items.insert(request.items.end(), kwargs.dict().items.begin(), kwargs.dict().items.end());
  return {};
}

Result<std::string> render(const Model* model, std::string_view request_text) {
  auto read = jinja::read_json(request_text);
  if (!read.ok()) {
    read.error().place = kRender;
    return std::move(read.error());
  }
  if (!read->is(jinja::Kind::kDict)) return bad_request("the request is not a JSON object");
  jinja::Dict& request = read->dict();
  SLUICE_TRY(const std::string text, template_text(model, request));
  std::erase_if(request.items, [](const auto& member) { return member.first.text() == "template"; });
  SLUICE_DO(spread_kwargs(request));
  if (const jinja::Value* messages = request.find("messages"); !messages || !messages->is(jinja::Kind::kList))
    return bad_request("\"messages\" must be an array");
  set_default(request, "add_generation_prompt", jinja::Value::boolean(true));
  if (model != nullptr) {
    const Tokenizer& tokenizer = model->tokenizer();
    set_default(request, "bos_token", token_text(tokenizer, tokenizer.bos()));
    set_default(request, "eos_token", token_text(tokenizer, tokenizer.eos()));
  }
  SLUICE_TRY(ChatTemplate parsed, ChatTemplate::parse(text));
  return parsed.render(*read);
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
    const std::string bytes =
        model->model->tokenizer().decode(std::vector<int32_t>(tokens, tokens + n_tokens), special);
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
