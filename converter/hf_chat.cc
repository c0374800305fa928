// SPDX-License-Identifier: Apache-2.0
#include "converter/hf_chat.h"

#include <sys/stat.h>

#include <initializer_list>
#include <iterator>
#include <vector>

#include "schema/layout.h"

namespace sluice {

namespace {

constexpr const char* kTemplate = "tokenizer.chat_template";

// Also for a link that leads nowhere: who opens it then says so.
bool exists(const std::string& path) {
  struct stat info;
  return lstat(path.c_str(), &info) == 0;
}

// A file that may be missing: no values then.
Result<JsonValues> read_if_there(const std::string& path, std::initializer_list<std::string_view> skipped = {}) {
  if (!exists(path)) return JsonValues();
  return JsonValues::read(path, skipped);
}

class ChatWriter {
 public:
  ChatWriter(const std::string& folder, const HfConfig& config, const HfTokenizer& tokenizer, HfAssembler& out)
      : folder_(folder), config_(config), tokenizer_(tokenizer), out_(out) {}

  Status run() {
    SLUICE_TRY(settings_, read_if_there(folder_ + "tokenizer_config.json", {"added_tokens_decoder"}));
    SLUICE_TRY(map_, read_if_there(folder_ + "special_tokens_map.json"));
    SLUICE_TRY(generation_, read_if_there(folder_ + "generation_config.json"));
    using K = JsonKind;
    SLUICE_DO(settings_.expect({{"add_bos_token", K::kTruth}, {"add_eos_token", K::kTruth}}));
    SLUICE_DO(generation_.expect({{"do_sample", K::kTruth}, {"repetition_penalty", K::kNumber}}));
    write_special_tokens();
    SLUICE_DO(write_templates());
    write_sampling();
    return {};
  }

 private:
  // "bos_token": a text, or an object with the text as content.
  int32_t named(const char* name) const {
    for (const JsonValues* values : {&settings_, &map_}) {
      for (const std::string& key : {std::string(name), std::string(name) + ".content"}) {
        const int32_t id = tokenizer_.tokens.find(values->text(key));
        if (!values->text(key).empty() && id >= 0) return id;
      }
    }
    return -1;
  }

  // "eos_token_id": a number or a list of numbers. Those that are no tokens are left out.
  std::vector<uint32_t> ids(const JsonValues& values, const std::string& name) const {
    std::vector<uint32_t> found;
    const auto take = [&](const std::string& key) {
      const JsonValue* value = values.find(key);
      if (!value || value->kind != JsonKind::kNumber || !value->number.is_integer) return;
      if (value->number.integer < 0 || value->number.integer >= int64_t(tokenizer_.tokens.size())) return;
      found.push_back(uint32_t(value->number.integer));
    };
    take(name);
    for (uint64_t i = 0; i < values.count(name); ++i) take(name + "." + std::to_string(i));
    return found;
  }

  int32_t special(const char* name, const std::string& text) const {
    int32_t id = named(name);
    if (id < 0 && !text.empty()) id = tokenizer_.tokens.find(text);
    const std::vector<uint32_t> listed = ids(config_.values, config_.text + std::string(name) + "_id");
    return id < 0 && !listed.empty() ? int32_t(listed[0]) : id;
  }

  void write_id(const char* name, int32_t id) {
    const std::string key = std::string("tokenizer.ggml.") + name + "_token_id";
    out_.whole(key, id < 0 ? UINT32_MAX : uint32_t(id));  // that is "none", and keeps defaults away
  }

  void write_special_tokens() {
    const int32_t bos = special("bos_token", tokenizer_.first), eos = special("eos_token", tokenizer_.last);
    write_id("bos", bos);
    write_id("eos", eos);
    write_id("unknown", special("unk_token", tokenizer_.unknown));
    write_id("padding", special("pad_token", ""));
    // What else ends an answer goes where GGUF files have room for it.
    constexpr const char* kMore[] = {"eot", "eom", "fim_pad", "fim_rep", "fim_sep"};
    size_t n = 0;
    for (const JsonValues* values : std::initializer_list<const JsonValues*>{&generation_, &config_.values}) {
      const std::string name = values == &config_.values ? config_.text + "eos_token_id" : "eos_token_id";
      for (uint32_t id : ids(*values, name)) {
        if (n < std::size(kMore) && int32_t(id) != eos && tokenizer_.tokens.has(id)) write_id(kMore[n++], int32_t(id));
      }
      if (n > 0) break;
    }
    const bool first = bos >= 0 && tokenizer_.tokens.find(tokenizer_.first) == bos && !tokenizer_.first.empty();
    const bool last = eos >= 0 && tokenizer_.tokens.find(tokenizer_.last) == eos && !tokenizer_.last.empty();
    out_.truth("tokenizer.ggml.add_bos_token", settings_.truth("add_bos_token", first));
    out_.truth("tokenizer.ggml.add_eos_token", settings_.truth("add_eos_token", last));
  }

  Status write_templates() {
    out_.copy(settings_, "chat_template", kTemplate);
    if (settings_.count("chat_template") > 0) {  // a list of names and templates
      for (uint64_t i = 0; i < settings_.count("chat_template"); ++i) {
        const std::string at = "chat_template." + std::to_string(i) + ".", name = settings_.text(at + "name");
        out_.copy(settings_, at + "template", name == "default" ? kTemplate : kTemplate + ("." + name));
      }
      const JsonValue* last = settings_.find("chat_template.0.template");
      if (!last) return settings_.error("chat_template", "is a list without templates");
      if (!has_default()) out_.copy(settings_, "chat_template.0.template", kTemplate);
    }
    if (exists(folder_ + "chat_template.json")) {
      SLUICE_TRY(const JsonValues file, JsonValues::read(folder_ + "chat_template.json"));
      out_.copy(file, "chat_template", kTemplate);
    }
    if (exists(folder_ + "chat_template.jinja")) {
      SLUICE_TRY(const std::string text, read_small_file(folder_ + "chat_template.jinja", kMaxTemplateBytes));
      out_.text(kTemplate, text);
    }
    return {};
  }

  bool has_default() const {
    for (uint64_t i = 0; i < settings_.count("chat_template"); ++i) {
      if (settings_.text("chat_template." + std::to_string(i) + ".name") == "default") return true;
    }
    return false;
  }

  // The values are meant for sampling only where the file asks for it.
  void write_sampling() {
    const JsonValue* penalty = generation_.find("repetition_penalty");
    if (penalty && penalty->number.real != 1) {
      out_.copy(generation_, "repetition_penalty", "general.sampling.penalty_repeat");
      out_.number("general.sampling.penalty_last_n", -1);  // it is about the whole context there
    }
    if (!generation_.truth("do_sample")) return;
    out_.copy(generation_, "temperature", "general.sampling.temp");
    out_.copy(generation_, "top_k", "general.sampling.top_k");
    out_.copy(generation_, "top_p", "general.sampling.top_p");
    out_.copy(generation_, "min_p", "general.sampling.min_p");
  }

  const std::string& folder_;
  const HfConfig& config_;
  const HfTokenizer& tokenizer_;
  HfAssembler& out_;
  JsonValues settings_, map_, generation_;
};

}  // namespace

Status write_hf_chat(const std::string& folder, const HfConfig& config, const HfTokenizer& tokenizer,
                     HfAssembler& out) {
  return ChatWriter(folder, config, tokenizer, out).run();
}

}  // namespace sluice
