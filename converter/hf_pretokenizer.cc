// SPDX-License-Identifier: Apache-2.0
#include "converter/hf_pretokenizer.h"

#include <functional>
#include <string_view>

#include "schema/pretokenizers.h"

namespace sluice {

namespace {

// No name of schema/pretokenizers.h: such a model is converted with a notice, and refused where it would be run.
constexpr std::string_view kUnknownPretokenizer = "unknown";
static_assert(pretokenizer_family(kUnknownPretokenizer).empty());

constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

// The patterns of published files, as they are spelled there.
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"
#define UPPER R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])"
#define LOWER R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])"
#define LEAD R"([^\r\n\p{L}\p{N}]?)"
constexpr std::string_view kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

// A recipe: one step per line, "gpt2", "digit" (each by itself), "digits", "punctuation" or a pattern. Those of several
// lines are for names whose steps do the same thing in the same order in runtime/tokenizer/pretokenize.cc.
struct Known {
  std::string_view name, recipe;
};
constexpr Known kKnown[] = {
    {"gpt-2", "gpt2"},
    {"seed-coder", CONTRACTIONS "|" LEAD R"(\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    // The same with the control characters themselves in place of their escapes.
    {"seed-coder", CONTRACTIONS "|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|"
                                R"(\s+(?!\S)|\s+)"},
    {"minicpm5", "\\p{N}{1,3}\n" CONTRACTIONS "|" LEAD R"(\p{L}+|\p{N}+|)" REST},
    {"smollm", "digit\ngpt2"},
    {"falcon", "punctuation\ngpt2\ndigits\n[0-9][0-9][0-9]"},
    {"llama-bpe", CONTRACTIONS "|" LEAD R"(\p{L}+|\p{N}{1,3}|)" REST},
    {"qwen2", CONTRACTIONS "|" LEAD R"(\p{L}+|\p{N}|)" REST},
    {"qwen35", CONTRACTIONS "|" LEAD R"([\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {"tekken",
     LEAD UPPER "*" LOWER "+|" LEAD UPPER "+" LOWER R"(*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {"gpt-4o", LEAD UPPER "*" LOWER "+" CONTRACTIONS "?|" LEAD UPPER "+" LOWER "*" CONTRACTIONS
                          R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    {"deepseek-coder", "[\\r\\n]\n\\s?\\p{L}+\n\\s?\\p{P}+\n[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+\ndigit"},
    {"deepseek-v3",
     "\\p{N}{1,3}\n[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+\n"
     R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|)"
     R"( ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
};

// Calls fn(prefix, type) for each step: the list's elements where it is a Sequence, else the one itself.
void for_each_step(const JsonValues& values, const char* list,
                   const std::function<void(const std::string& prefix, const std::string& type)>& fn) {
  const std::string type = values.text("type");
  if (type != "Sequence") {
    if (!type.empty()) fn("", type);
    return;
  }
  for (uint64_t i = 0; i < values.count(list); ++i) {
    const std::string prefix = std::string(list) + "." + std::to_string(i) + ".";
    fn(prefix, values.text(prefix + "type"));
  }
}

std::string printable(std::string text) {
  constexpr size_t kMost = 200;
  if (text.size() > kMost) {
    text.resize(kMost);
    while (!text.empty() && (uint8_t(text.back()) & 0xc0) == 0x80) text.pop_back();
    if (!text.empty() && uint8_t(text.back()) >= 0xc0) text.pop_back();
    text += "…";
  }
  for (char& c : text) {
    if (uint8_t(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

class Recognizer {
 public:
  HfSteps run(const JsonValues& normalizer, const JsonValues& pre_tokenizer, const JsonValues& decoder) {
    for_each_step(decoder, "decoders", [&](const std::string&, const std::string& type) {
      if (type == "ByteLevel") steps_.byte_level = true;
    });
    for_each_step(normalizer, "normalizers",
                  [&](const std::string& prefix, const std::string& type) { normalize(normalizer, prefix, type); });
    for_each_step(pre_tokenizer, "pretokenizers",
                  [&](const std::string& prefix, const std::string& type) { cut(pre_tokenizer, prefix, type); });
    if (steps_.byte_level) name_recipe();
    return std::move(steps_);
  }

 private:
  void tell(const std::string& what) { steps_.notices.push_back("tokenizer: " + what); }

  void normalize(const JsonValues& v, const std::string& at, const std::string& type) {
    if (type == "Prepend" && v.text(at + "prepend") == kSpaceMark) {
      steps_.pieces = steps_.space_prefix = true;
    } else if (type == "Replace" && v.text(at + "pattern.String") == " " && v.text(at + "content") == kSpaceMark) {
      steps_.pieces = true;
    } else {
      tell("the source changes text by " + printable(type) + " before it cuts it; here text stays as it is");
    }
  }

  void cut(const JsonValues& v, const std::string& at, const std::string& type) {
    if (type == "ByteLevel") {
      steps_.byte_level = true;
      if (v.truth(at + "use_regex", true)) add("gpt2");
      if (v.truth(at + "add_prefix_space", true)) tell("the source puts a space before every text; here there is none");
    } else if (type == "Metaspace") {
      metaspace(v, at);
    } else if (type == "Digits") {
      add(v.truth(at + "individual_digits") ? "digit" : "digits");
    } else if (type == "Punctuation" && v.text(at + "behavior") == "Contiguous") {
      add("punctuation");
    } else if (type == "Split") {
      split(v, at);
    } else {
      unknown("the step " + type);
    }
  }

  void metaspace(const JsonValues& v, const std::string& at) {
    steps_.pieces = true;
    const std::string scheme = v.text(at + "prepend_scheme");
    steps_.space_prefix = scheme.empty() ? v.truth(at + "add_prefix_space", true) : scheme != "never";
    if (steps_.space_prefix) {
      tell(std::string("the source puts no space before text that has one") +
           (scheme == "first" ? ", nor behind special tokens" : "") + "; here there is one more");
    }
    if (v.truth(at + "split", true)) {
      tell("the source cuts at every space; here pieces that hold a space inside would be found");
    }
    if (v.text(at + "replacement") != kSpaceMark) unknown("another mark for spaces");
  }

  void split(const JsonValues& v, const std::string& at) {
    const std::string text = v.text(at + "pattern.String"), pattern = v.text(at + "pattern.Regex");
    const std::string behavior = v.text(at + "behavior");
    const bool invert = v.truth(at + "invert");
    if (text == " " && !steps_.byte_level && steps_.pieces) return;  // no spaces are left by then
    // What matches stays together, either way: these patterns match all of a text.
    const bool isolated = (behavior == "Isolated" && !invert) || (behavior == "Removed" && invert);
    if (pattern.empty() || !isolated) return unknown("a split at \"" + text + pattern + "\", " + behavior);
    add(pattern == kGpt2 ? "gpt2" : pattern == "\\p{N}" ? "digit" : pattern);
  }

  void add(const std::string& step) { recipe_ += (recipe_.empty() ? "" : "\n") + step; }

  void unknown(const std::string& what) {
    tell(printable(what) + " is not known");
    is_known_ = false;
  }

  void name_recipe() {
    steps_.pre = kUnknownPretokenizer;
    for (const Known& known : kKnown) {
      if (is_known_ && recipe_ == known.recipe) steps_.pre = known.name;
    }
    if (steps_.pre == kUnknownPretokenizer && is_known_) unknown("the way it cuts text (" + recipe_ + ")");
  }

  HfSteps steps_;
  std::string recipe_;
  bool is_known_ = true;
};

}  // namespace

HfSteps recognize_steps(const JsonValues& normalizer, const JsonValues& pre_tokenizer, const JsonValues& decoder) {
  return Recognizer().run(normalizer, pre_tokenizer, decoder);
}

}  // namespace sluice
