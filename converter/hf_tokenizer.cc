// SPDX-License-Identifier: Apache-2.0
#include "converter/hf_tokenizer.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <set>

#include "converter/byte_window.h"
#include "schema/layout.h"

namespace sluice {

using fb::TokenType;

namespace {

struct AddedToken {
  uint32_t id = 0;
  std::string text;
  bool special = false, left_strip = false, right_strip = false, single_word = false;
};

bool in_angles(std::string_view text, std::string_view open, std::string_view close) {
  return text.size() > open.size() + close.size() && text.starts_with(open) && text.ends_with(close);
}

// Markers of a conversation that some files do not call special. Text that a person types must not become one.
bool looks_like_control(std::string_view text) {
  return in_angles(text, "<|", "|>") || in_angles(text, "<｜", "｜>") || in_angles(text, "<unused", ">") ||
         text == "<pad>" || text == "<mask>";
}

bool is_byte_name(std::string_view text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && hex(text[3]) && hex(text[4]) && text[5] == '>';
}

class TokenizerReader {
 public:
  TokenizerReader(const InputFile& file, HfAssembler& out, const Notice& notice)
      : file_(file), out_(out), notice_(notice) {}

  Result<HfTokenizer> run(uint32_t n_rows) {
    SLUICE_DO(read_frame());
    if (model_.text("type") != "BPE") {
      return make_error(Code::kBadModel, file_.path(), kNoOffset, "the tokenizer's model is \"%s\"; BPE is read",
                        model_.text("type").c_str());
    }
    steps_ = recognize_steps(normalizer_, pre_tokenizer_, decoder_);
    if (model_.truth("byte_fallback")) steps_.pieces = true;
    if (steps_.byte_level == steps_.pieces) {
      return make_error(Code::kBadModel, file_.path(), kNoOffset,
                        "the tokenizer is %s byte-level BPE %s BPE of SentencePiece pieces",
                        steps_.byte_level ? "both" : "neither", steps_.byte_level ? "and" : "nor");
    }
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (!model_.text(key).empty()) return model_.error(key, "is not empty, which is not read");
    }
    for (const std::string& line : steps_.notices) notice_(line);
    SLUICE_DO(read_vocabulary());
    SLUICE_DO(place_added_tokens());
    drop_rows_beyond(n_rows);
    tokens_.index();
    SLUICE_DO(write_merges());
    write_tokens();
    HfTokenizer result;
    result.unknown = model_.text("unk_token");
    read_template(result);
    result.tokens = std::move(tokens_);
    return result;
  }

 private:
  using Handler = std::function<Status(JsonReader& json, std::string_view key)>;

  // One pass over the file's outermost object.
  Status pass(const Handler& fn) {
    JsonReader json(file_, 0, file_.size());
    SLUICE_DO(json.object([&](std::string_view key) { return fn(json, key); }));
    return json.finish();
  }

  // The first pass: everything but the two long lists.
  Status read_frame() {
    std::set<std::string, std::less<>> seen;
    SLUICE_DO(pass([&](JsonReader& json, std::string_view key) -> Status {
      constexpr std::string_view kRead[] = {"added_tokens",   "normalizer", "pre_tokenizer",
                                            "post_processor", "decoder",    "model"};
      if (std::find(std::begin(kRead), std::end(kRead), key) == std::end(kRead)) return json.skip();
      if (!seen.emplace(key).second) return json.bad(json.at(), "the key %s occurs twice", std::string(key).c_str());
      if (key == "added_tokens") return read_added(json);
      JsonValues* small = key == "normalizer"       ? &normalizer_
                          : key == "pre_tokenizer"  ? &pre_tokenizer_
                          : key == "post_processor" ? &post_processor_
                          : key == "decoder"        ? &decoder_
                                                    : nullptr;
      if (small) {
        SLUICE_TRY(*small, JsonValues::take(json, file_.path()));
        return expect_object(*small, key);
      }
      SLUICE_TRY(model_, JsonValues::take(json, file_.path(), {"vocab", "merges"}));
      SLUICE_DO(expect_object(model_, key));
      using K = JsonKind;
      return model_.expect({{"type", K::kText},
                            {"unk_token", K::kText},
                            {"continuing_subword_prefix", K::kText},
                            {"end_of_word_suffix", K::kText},
                            {"byte_fallback", K::kTruth},
                            {"ignore_merges", K::kTruth}});
    }));
    if (!seen.contains("model")) return make_error(Code::kBadModel, file_.path(), kNoOffset, "has no model");
    return {};
  }

  Status expect_object(const JsonValues& values, std::string_view key) const {
    const JsonValue* value = values.find("");
    if (!value || value->kind == JsonKind::kObject) return {};
    return make_error(Code::kBadModel, file_.path(), value->offset, "%.*s is %s, expected an object", int(key.size()),
                      key.data(), json_kind_name(value->kind));
  }

  Status read_added(JsonReader& json) {
    return json.array([&](uint64_t) -> Status {
      const uint64_t begin = json.at();
      if (added_.size() == kMaxHfAddedTokens) return json.bad(begin, "more than %zu added tokens", kMaxHfAddedTokens);
      AddedToken token;
      bool has_id = false, has_text = false;
      SLUICE_DO(json.object([&](std::string_view key) -> Status {
        if (key == "id") {
          SLUICE_TRY(const uint64_t id, json.whole(kMaxHfTokens - 1, "an id"));
          token.id = uint32_t(id), has_id = true;
          return {};
        }
        if (key == "content") {
          SLUICE_TRY(token.text, json.text(kMaxTokenBytes));
          has_text = true;
          return {};
        }
        bool* flag = key == "special"       ? &token.special
                     : key == "lstrip"      ? &token.left_strip
                     : key == "rstrip"      ? &token.right_strip
                     : key == "single_word" ? &token.single_word
                                            : nullptr;
        if (!flag) return json.skip();
        SLUICE_TRY(*flag, json.truth());
        return {};
      }));
      if (!has_id || !has_text) return json.bad(begin, "an added token has no %s", has_id ? "content" : "id");
      added_bytes_ += token.text.size();
      if (added_bytes_ > kMaxHfVocabBytes) {
        return json.bad(begin, "added tokens with more than %zu bytes of text", kMaxHfVocabBytes);
      }
      added_.push_back(std::move(token));
      return {};
    });
  }

  Status pass_model(const char* wanted, const std::function<Status(JsonReader&)>& fn) {
    bool found = false;
    SLUICE_DO(pass([&](JsonReader& json, std::string_view key) -> Status {
      if (key != "model") return json.skip();
      return json.object([&](std::string_view inner) -> Status {
        if (inner != wanted) return json.skip();
        if (found) return json.bad(json.at(), "the key %s occurs twice", wanted);
        found = true;
        return fn(json);
      });
    }));
    if (!found) return make_error(Code::kBadModel, file_.path(), kNoOffset, "the model has no %s", wanted);
    return {};
  }

  Status set(JsonReader& json, uint64_t at, uint32_t id, std::string_view text) {
    if (text.size() > kMaxTokenBytes) return json.bad(at, "a token of more than %u bytes", kMaxTokenBytes);
    if (tokens_.bytes() + text.size() > kMaxHfVocabBytes) {
      return json.bad(at, "tokens with more than %zu bytes of text", kMaxHfVocabBytes);
    }
    if (!tokens_.set(id, text)) return json.bad(at, "two tokens with the id %u", id);
    return {};
  }

  Status read_vocabulary() {
    // No token takes less than `"":0,` in the file, so ids are no reason for a table larger than that.
    const uint64_t most = std::min<uint64_t>(kMaxHfTokens, file_.size());
    return pass_model("vocab", [&](JsonReader& json) {
      return json.object([&](std::string_view text) -> Status {
        SLUICE_TRY(const uint64_t id, json.whole(most - 1, "an id"));
        return set(json, json.at(), uint32_t(id), text);
      });
    });
  }

  // An added token may be one of the vocabulary, or stand behind it.
  Status place_added_tokens() {
    size_t bytes = tokens_.bytes();
    for (const AddedToken& token : added_) {
      bytes += token.text.size();
      if (bytes > kMaxHfVocabBytes || token.id > tokens_.size() + kMaxHfAddedTokens) {
        return make_error(Code::kBadModel, file_.path(), kNoOffset, "the added token %s with the id %u is too far out",
                          token.text.c_str(), token.id);
      }
      if (!tokens_.set(token.id, token.text)) {
        return make_error(Code::kBadModel, file_.path(), kNoOffset, "the added token %s has the id %u of another token",
                          token.text.c_str(), token.id);
      }
    }
    return {};
  }

  void drop_rows_beyond(uint32_t n_rows) {
    n_tokens_ = tokens_.size();
    if (n_rows == 0 || n_tokens_ <= n_rows) return;
    notice_("tokenizer: " + std::to_string(n_tokens_ - n_rows) + " tokens without a row in the embedding are left out");
    n_tokens_ = n_rows;
  }

  // "left right", or a list of both.
  Status take_merge(JsonReader& json, std::string& left, std::string& right) {
    SLUICE_TRY(const JsonKind kind, json.peek());
    const uint64_t at = json.at();
    if (kind == JsonKind::kText) {
      SLUICE_TRY(const std::string both, json.text(2 * kMaxTokenBytes + 1));
      const size_t space = both.find(' ', 1);
      if (space == both.npos) return json.bad(at, "a merge without a space");
      left = both.substr(0, space), right = both.substr(space + 1);
      return {};
    }
    uint64_t n = 0;
    SLUICE_DO(json.array([&](uint64_t i) -> Status {
      n = i + 1;
      if (i > 1) return json.bad(at, "a merge of more than two parts");
      SLUICE_TRY((i == 0 ? left : right), json.text(kMaxTokenBytes));
      return {};
    }));
    if (n != 2) return json.bad(at, "a merge of fewer than two parts");
    return {};
  }

  Status each_merge(const std::function<void(const std::string&, const std::string&)>& fn) {
    std::string left, right;
    size_t bytes = 0;
    return pass_model("merges", [&](JsonReader& json) {
      return json.array([&](uint64_t i) -> Status {
        SLUICE_DO(take_merge(json, left, right));
        bytes += left.size() + right.size() + 1 + sizeof(uint64_t);
        if (i >= kMaxMerges || bytes > kMaxHfMergeBytes) {
          return json.bad(json.at(), "more than %u merges or %zu bytes of them", kMaxMerges, kMaxHfMergeBytes);
        }
        fn(left, right);
        return {};
      });
    });
  }

  // Found before anything is merged, or standing for something else than their text.
  std::vector<bool> tokens_apart() const {
    std::vector<bool> apart(tokens_.size());
    for (const AddedToken& token : added_) apart[token.id] = true;
    for (uint32_t id = 0; id < tokens_.size(); ++id) {
      if (tokens_.has(id) && is_byte_name(tokens_.text(id))) apart[id] = true;
    }
    if (const int32_t unknown = tokens_.find(model_.text("unk_token")); unknown >= 0) apart[size_t(unknown)] = true;
    return apart;
  }

  Status write_merges() {
    if (steps_.pieces) {
      MergeOrder order(tokens_);
      SLUICE_DO(each_merge([&](const std::string& left, const std::string& right) { order.add(left, right); }));
      if (order.is_order_of_results(tokens_apart())) {
        out_.text("tokenizer.ggml.model", "llama");
        out_.begin_list("tokenizer.ggml.scores", GgufType::kF32, file_.path(), "model.merges");
        for (uint32_t id = 0; id < n_tokens_; ++id) out_.element(order.scores()[id]);
        out_.truth("tokenizer.ggml.add_space_prefix", steps_.space_prefix);
        return {};
      }
      if (!order.has_merges()) {
        return make_error(Code::kBadModel, file_.path(), kNoOffset,
                          "the model has no merges, but tokens that need them");
      }
      out_.text("tokenizer.ggml.model", "gemma4");  // pieces joined by merges
      out_.truth("tokenizer.ggml.add_space_prefix", steps_.space_prefix);
    } else {
      out_.text("tokenizer.ggml.model", "gpt2");
      out_.text("tokenizer.ggml.pre", steps_.pre);
      out_.truth("tokenizer.ggml.ignore_merges", model_.truth("ignore_merges"));
    }
    out_.begin_list("tokenizer.ggml.merges", GgufType::kText, file_.path(), "model.merges");
    return each_merge([&](const std::string& left, const std::string& right) { out_.element(left + " " + right); });
  }

  void write_ids(const std::string& key, std::vector<uint32_t>& ids) {
    std::sort(ids.begin(), ids.end());
    ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
    out_.begin_list(key, GgufType::kU32, file_.path(), "added_tokens");
    for (uint32_t id : ids) out_.element(id);
  }

  void write_tokens() {
    std::vector<uint8_t> types(n_tokens_, uint8_t(TokenType::Normal));
    const int32_t unknown = tokens_.find(model_.text("unk_token"));
    for (uint32_t id = 0; id < n_tokens_; ++id) {
      if (!tokens_.has(id)) types[id] = uint8_t(TokenType::Unused);
      if (steps_.pieces && tokens_.has(id) && is_byte_name(tokens_.text(id))) types[id] = uint8_t(TokenType::Byte);
    }
    std::vector<uint32_t> left, right;  // tokens that swallow white space beside them
    uint32_t n_words = 0;
    for (const AddedToken& token : added_) {
      if (token.id >= n_tokens_) continue;
      // Pieces of spaces are found by merging, and are spaces when they are written.
      const bool spaces = steps_.pieces && !token.special && token.text.find("\xE2\x96\x81") != std::string::npos;
      if (!spaces) {
        const bool control = token.special || looks_like_control(token.text);
        types[token.id] = uint8_t(control ? TokenType::Control : TokenType::UserDefined);
        if (token.left_strip) left.push_back(token.id);
        if (token.right_strip) right.push_back(token.id);
      }
      n_words += token.single_word;
    }
    if (unknown >= 0 && uint32_t(unknown) < n_tokens_ && steps_.pieces)
      types[size_t(unknown)] = uint8_t(TokenType::Unknown);
    if (n_words > 0) {
      notice_("tokenizer: " + std::to_string(n_words) +
              " added tokens count only as whole words in the source; here they count inside words too");
    }
    write_ids("tokenizer.ggml.strip_left", left);
    write_ids("tokenizer.ggml.strip_right", right);
    out_.begin_list("tokenizer.ggml.token_type", GgufType::kU32, file_.path(), "added_tokens");
    for (uint8_t type : types) out_.element(uint32_t(type));
    out_.begin_list("tokenizer.ggml.tokens", GgufType::kText, file_.path(), "model.vocab");
    for (uint32_t id = 0; id < n_tokens_; ++id) {
      tokens_.has(id) ? out_.element(tokens_.text(id)) : out_.element("[PAD" + std::to_string(id) + "]");
    }
  }

  // Tokens before and behind every text.
  void read_template(HfTokenizer& result) const {
    std::string at;
    for (uint64_t i = 0; i < post_processor_.count("processors"); ++i) {
      const std::string prefix = "processors." + std::to_string(i) + ".";
      if (post_processor_.text(prefix + "type") == "TemplateProcessing") at = prefix;
    }
    if (at.empty() && post_processor_.text("type") != "TemplateProcessing") return;
    const uint64_t n = post_processor_.count(at + "single");
    if (n == 0) return;
    result.first = post_processor_.text(at + "single.0.SpecialToken.id");
    result.last = post_processor_.text(at + "single." + std::to_string(n - 1) + ".SpecialToken.id");
  }

  const InputFile& file_;
  HfAssembler& out_;
  const Notice& notice_;
  JsonValues normalizer_, pre_tokenizer_, post_processor_, decoder_, model_;
  HfSteps steps_;
  std::vector<AddedToken> added_;
  size_t added_bytes_ = 0;
  HfTokens tokens_;
  uint32_t n_tokens_ = 0;
};

}  // namespace

Result<HfTokenizer> write_hf_tokenizer(const std::string& path, uint32_t n_rows, HfAssembler& out,
                                       const Notice& notice) {
  SLUICE_TRY(const InputFile file, open_json(path));
  return TokenizerReader(file, out, notice).run(n_rows);
}

}  // namespace sluice
