// SPDX-License-Identifier: Apache-2.0
// sluice eval: how well a model predicts a text, and how well its predictions agree with others.
#include <cmath>
#include <set>

#include "agreement.h"
#include "eval_collect.h"
#include "feeding.h"
#include "looks.h"
#include "output.h"
#include "progress.h"
#include "verbs.h"

namespace sluice {

namespace {

constexpr size_t kListed = 20;      // tokens of --against that are compared one by one, as in reference files
constexpr uint32_t kLogitRows = 8;  // rows of logits computed at a time

struct ReferenceCase {
  std::string id;
  std::vector<int32_t> tokens;  // prompt and answer without its last token: what is fed
  size_t n_prompt = 0;
  std::vector<TopList> top;  // of each position from the prompt's last on
};

bool read_tokens(const Json& list, uint32_t n_vocab, std::vector<int32_t>& out) {
  if (!list.is_array()) return false;
  for (const Json& item : list) {
    if (!item.is_number_unsigned() || item.get<uint64_t>() >= n_vocab) return false;
    out.push_back(item.get<int32_t>());
  }
  return true;
}

constexpr double kRounding = 1e-3;  // of log-probabilities and their sum in reference files

bool read_top(const Json& list, uint32_t n_vocab, TopList& out) {
  if (!list.is_array() || list.empty()) return false;
  std::set<int32_t> seen;
  double sum = 0;
  for (const Json& pair : list) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_unsigned() || pair[0].get<uint64_t>() >= n_vocab ||
        !pair[1].is_number()) {
      return false;
    }
    out.emplace_back(pair[0].get<int32_t>(), pair[1].get<double>());
    const auto& [token, log_p] = out.back();
    if (!std::isfinite(log_p) || log_p > kRounding || !seen.insert(token).second) return false;
    sum += std::exp(log_p);
  }
  return sum <= 1 + kRounding;
}

bool read_case(const Json& json, uint32_t n_vocab, ReferenceCase& out) {
  std::vector<int32_t> answer;
  if (!json.is_object() || !json.contains("prompt_tokens") || !json.contains("tokens") || !json.contains("top") ||
      !read_tokens(json["prompt_tokens"], n_vocab, out.tokens) || !read_tokens(json["tokens"], n_vocab, answer) ||
      !json["top"].is_array() || out.tokens.empty() || answer.empty() || json["top"].size() != answer.size()) {
    return false;
  }
  if (json.contains("id") && json["id"].is_string()) out.id = json["id"].get<std::string>();
  out.n_prompt = out.tokens.size();
  out.tokens.insert(out.tokens.end(), answer.begin(), answer.end() - 1);
  for (const Json& list : json["top"]) {
    if (!read_top(list, n_vocab, out.top.emplace_back())) return false;
  }
  return true;
}

int read_cases(const std::string& path, const LoadedModel& model, std::vector<ReferenceCase>& cases) {
  Json json;
  if (const int code = read_json(path, json)) return code;
  if (!json.is_object() || !json.contains("cases") || !json["cases"].is_array() || json["cases"].empty()) {
    return complain(kUsage, path + ": expected an object with a list \"cases\"");
  }
  for (const Json& item : json["cases"]) {
    ReferenceCase& c = cases.emplace_back();
    if (!read_case(item, model.info.n_vocab, c)) {
      return complain(kUsage, path + ": case " + std::to_string(cases.size() - 1) +
                                  " needs prompt_tokens, tokens and top of equal length, ids below " +
                                  std::to_string(model.info.n_vocab) +
                                  ", in each top list different ones whose probabilities sum to at most 1");
    }
    if (c.tokens.size() > model.info.n_ctx) {
      return complain(kUsage, "eval: case " + c.id + " needs --context " + std::to_string(c.tokens.size()) +
                                  ", it is " + std::to_string(model.info.n_ctx));
    }
  }
  return 0;
}

Json agreement_json(const Agreement& a) {
  return {{"positions", a.positions}, {"top1_agreement", a.top1()}, {"kl_mean", a.kl_mean()}, {"kl_max", a.kl_max}};
}

std::vector<std::string> agreement_row(const std::string& name, const Agreement& a) {
  return {printable(name), std::to_string(a.positions), human_number(a.top1()), human_number(a.kl_mean()),
          human_number(a.kl_max)};
}

// One JSON object, or a table with a line per part and one for all.
void print_agreement(bool as_json, const std::vector<std::pair<std::string, Agreement>>& parts,
                     const Json& more = Json::object()) {
  Agreement all;
  Json details = Json::array();
  std::vector<std::vector<std::string>> rows = {{"", "positions", "top-1", "KL mean", "KL max"}};
  for (const auto& [name, agreement] : parts) {
    all.add(agreement);
    Json item = agreement_json(agreement);
    item["id"] = name;
    details.push_back(item);
    rows.push_back(agreement_row(name, agreement));
  }
  rows.push_back(agreement_row("all", all));
  if (!as_json) {
    put(table(rows, "lrrrr"));
    return;
  }
  Json json = {{"cases", parts.size()}};
  json.update(agreement_json(all));
  json.update(more);
  json["details"] = details;
  put(json_line(json));
}

int eval_reference(const Arguments& arguments, LoadedModel& model) {
  std::vector<ReferenceCase> cases;
  if (const int code = read_cases(arguments.text(Opt::kReference), model, cases)) return code;
  uint64_t total = 0, done = 0;
  for (const ReferenceCase& c : cases) total += c.tokens.size();
  Progress progress("Comparing", ProgressUnit::kTokens);
  std::vector<std::pair<std::string, Agreement>> parts;
  for (const ReferenceCase& c : cases) {
    Agreement& agreement = parts.emplace_back(c.id, Agreement{}).second;
    const size_t first = c.n_prompt - 1;
    const int code = feed_tokens(model, c.tokens, first, [&](size_t i, const float* logits) {
      agreement.add(c.top[i - first], logits, model.info.n_vocab);
      progress.update(done + i, total);
    });
    if (code) return code;
    done += c.tokens.size();
    progress.update(done, total);
  }
  progress.clear();
  print_agreement(arguments.has(Opt::kJson), parts);
  return kOk;
}

// Calls on_logits(window, i, logits) for every scored position of the text.
int for_each_position(LoadedModel& model, const std::vector<std::vector<int32_t>>& windows, const char* label,
                      const std::function<void(size_t window, size_t index, const float* logits)>& on_logits) {
  uint64_t total = 0, done = 0;
  for (const auto& window : windows) total += window.size() - 1;
  Progress progress(label, ProgressUnit::kTokens);
  for (size_t w = 0; w < windows.size(); ++w) {
    const std::vector<int32_t> fed(windows[w].begin(), windows[w].end() - 1);
    const int code = feed_tokens(model, fed, 0, [&](size_t i, const float* logits) {
      on_logits(w, i, logits);
      progress.update(done + i, total);
    });
    if (code) return code;
    done += fed.size();
  }
  return 0;
}

// How surprised a model is by the tokens that follow.
struct Surprise {
  uint64_t positions = 0;
  double nats = 0;

  void add(int32_t next, const float* logits, uint32_t n_vocab) {
    nats += log_sum_exp(logits, n_vocab) - double(logits[next]);
    ++positions;
  }
  double mean() const { return positions ? nats / double(positions) : 0; }
  double perplexity() const { return std::exp(mean()); }
};

int eval_text(const Arguments& arguments, LoadedModel& model) {
  const std::string text = arguments.text(Opt::kText), collected = arguments.text(Opt::kCollect);
  std::vector<std::vector<int32_t>> windows;
  if (const int code = text_windows(model, text, windows)) return code;
  if (!collected.empty()) {
    if (const int code = check_target("eval", collected, {model.path})) return code;  // the converted one in the cache
    if (const int code = begin_collecting(model)) return code;
  }
  Surprise surprise;
  const int code = for_each_position(model, windows, "Scoring", [&](size_t w, size_t i, const float* logits) {
    surprise.add(windows[w][i + 1], logits, model.info.n_vocab);
  });
  if (code) return code;
  if (arguments.has(Opt::kJson)) {
    put(json_line({{"tokens", surprise.positions},
                   {"perplexity", surprise.perplexity()},
                   {"nll_mean", surprise.mean()},
                   {"windows", windows.size()}}));
  } else {
    put(table({{"tokens scored", grouped(surprise.positions)},
               {"windows", std::to_string(windows.size())},
               {"perplexity", human_number(surprise.perplexity())},
               {"nats a token", human_number(surprise.mean())}},
              "lr"));
  }
  // Last: what was measured is not lost with a disk that is full.
  return collected.empty() ? kOk : write_collected(model, collected, text, uint32_t(windows.size()));
}

// The other model runs first and alone, so that each fits the budget by itself; only its top lists are kept.
int eval_against(const Arguments& arguments) {
  sluice_options options = engine_settings(arguments);
  options.max_logit_rows = kLogitRows;
  std::vector<std::vector<int32_t>> windows, own_windows;
  std::vector<std::vector<TopList>> lists;
  Surprise other_surprise, surprise;
  uint32_t n_vocab = 0;
  {
    LoadedModel other;
    if (const int code = load_model(arguments.text(Opt::kAgainst), options, other)) return code;
    if (const int code = text_windows(other, arguments.text(Opt::kText), windows)) return code;
    n_vocab = other.info.n_vocab;
    lists.resize(windows.size());
    const int code = for_each_position(other, windows, "Other model", [&](size_t w, size_t i, const float* logits) {
      lists[w].push_back(top_list(logits, n_vocab, kListed));
      other_surprise.add(windows[w][i + 1], logits, n_vocab);
    });
    if (code) return code;
  }
  LoadedModel model;
  if (const int code = load_model(arguments.positional()[0], options, model)) return code;
  if (const int code = text_windows(model, arguments.text(Opt::kText), own_windows)) return code;
  if (model.info.n_vocab != n_vocab || own_windows != windows) {
    return complain(kUsage,
                    "eval: the two models read the text as different tokens; only models of one vocabulary compare");
  }
  std::vector<std::pair<std::string, Agreement>> parts;
  for (size_t w = 0; w < windows.size(); ++w) parts.emplace_back("window " + std::to_string(w + 1), Agreement{});
  const int code = for_each_position(model, windows, "Comparing", [&](size_t w, size_t i, const float* logits) {
    parts[w].second.add(lists[w][i], logits, n_vocab);
    surprise.add(windows[w][i + 1], logits, n_vocab);
  });
  if (code) return code;
  const Json perplexities = {{"perplexity", surprise.perplexity()}, {"other_perplexity", other_surprise.perplexity()}};
  print_agreement(arguments.has(Opt::kJson), parts, perplexities);
  if (!arguments.has(Opt::kJson)) {
    put("perplexity " + human_number(surprise.perplexity()) + ", of the other model " +
        human_number(other_surprise.perplexity()) + "\n");
  }
  return kOk;
}

int run_eval(const Arguments& arguments) {
  const bool text = arguments.has(Opt::kText), reference = arguments.has(Opt::kReference);
  const bool against = arguments.has(Opt::kAgainst), collect = arguments.has(Opt::kCollect);
  if (text == reference) return complain(kUsage, "eval: give --text FILE or --reference FILE.json");
  if (against && !text) return complain(kUsage, "eval: --against needs --text FILE");
  if (collect && (!text || against)) return complain(kUsage, "eval: --collect needs --text FILE and nothing else");
  if (collect && arguments.text(Opt::kDevice, "reference") != "reference") {
    return complain(kUsage, "eval: --collect computes on --device reference");
  }
  if (collect) {
    if (arguments.text(Opt::kCollect).empty()) return complain(kUsage, "eval: --collect needs the name of a file");
    const int code =
        check_collect_target(arguments.text(Opt::kCollect), arguments.positional()[0], arguments.text(Opt::kText));
    if (code) return code;
  }
  if (against) return eval_against(arguments);
  sluice_options options = engine_settings(arguments);
  options.max_logit_rows = kLogitRows;
  if (collect) options.device = "reference";
  LoadedModel model;
  if (const int code = load_model(arguments.positional()[0], options, model)) return code;
  return text ? eval_text(arguments, model) : eval_reference(arguments, model);
}

}  // namespace

const Verb& eval_verb() {
  static const Verb verb = {
      "eval",
      "Measure",
      "MODEL --text FILE [--against MODEL | --collect FILE] | --reference FILE.json",
      "how well a model predicts",
      "With --text: perplexity, in windows of --context. With --reference: agreement with the outputs of an exact "
      "implementation, token by token. With --against and --text: the same figures between two models, and both "
      "perplexities. With --collect and --text: also an importance file for `sluice convert --quantize`; it is "
      "computed by the reference device, which is slow.",
      {{"What is compared", {Opt::kText, Opt::kReference, Opt::kAgainst, Opt::kCollect}},
       engine_options(),
       general_options()},
      1,
      1,
      {"sluice eval model.gguf --text book.txt --context 1024", "sluice eval model.gguf --reference model.json --json",
       "sluice eval small.slm --against large.slm --text book.txt",
       "sluice eval model.gguf --text book.txt --collect importance.gguf"},
      run_eval};
  return verb;
}

}  // namespace sluice
