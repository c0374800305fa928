// SPDX-License-Identifier: Apache-2.0
// The /commands of the chat.
#include <algorithm>

#include "conversation.h"
#include "looks.h"
#include "output.h"
#include "verbs.h"

namespace sluice {

namespace {

void help(Conversation& chat, const std::string& argument);

void clear(Conversation& chat, const std::string&) {
  const bool has_system = !chat.messages.empty() && chat.messages[0]["role"] == "system";
  while (chat.messages.size() > size_t(has_system)) chat.messages.erase(chat.messages.size() - 1);
  chat.held = 0;
  note(has_system ? "a new conversation; the system message stays" : "a new conversation");
}

void system_message(Conversation& chat, const std::string& text) {
  set_system(chat, text);
  note(text.empty() ? "no system message" : "the system message is set, also for what was said before");
}

std::string setting_name(Opt id) { return id == Opt::kMaxTokens ? "n" : option_spec(id).name; }

void show_settings(const Conversation& chat) {
  const sluice_sampling s = sampling_settings(chat.model.model.get(), chat.settings);
  const uint64_t n = chat.settings.whole(Opt::kMaxTokens, 0);
  std::string stops;
  for (const std::string& stop : chat.settings.all(Opt::kStop)) stops += (stops.empty() ? "" : " ") + json_line(stop);
  std::erase(stops, '\n');
  std::vector<std::vector<std::string>> rows = {
      {"temp", human_number(s.temp)},
      {"top-k", std::to_string(s.top_k)},
      {"top-p", human_number(s.top_p)},
      {"min-p", human_number(s.min_p)},
      {"repeat-penalty", human_number(s.repeat_penalty)},
      {"presence-penalty", human_number(s.presence_penalty)},
      {"frequency-penalty", human_number(s.frequency_penalty)},
      {"penalty-last-n", std::to_string(s.penalty_last_n)},
      {"seed", chat.settings.has(Opt::kSeed) ? std::to_string(s.seed) : "new for each answer"},
      {"n", n ? std::to_string(n) : "to the end of the context"},
      {"stop", stops.empty() ? "-" : stops}};
  // The others that are on.
  const auto show = [&](Opt id, double value) { rows.push_back({setting_name(id), human_number(value)}); };
  if (s.typical < 1) show(Opt::kTypical, s.typical);
  if (s.top_h > 0) show(Opt::kTopH, s.top_h);
  if (s.top_n_sigma > 0) show(Opt::kTopNSigma, s.top_n_sigma);
  if (s.xtc_probability > 0) show(Opt::kXtcProbability, s.xtc_probability), show(Opt::kXtcThreshold, s.xtc_threshold);
  if (s.dynatemp_range > 0) show(Opt::kDynatempRange, s.dynatemp_range), show(Opt::kDynatempExp, s.dynatemp_exponent);
  if (s.dry_multiplier > 0) {
    show(Opt::kDryMultiplier, s.dry_multiplier), show(Opt::kDryBase, s.dry_base);
    show(Opt::kDryAllowedLength, s.dry_allowed_length), show(Opt::kDryPenaltyLastN, s.dry_penalty_last_n);
  }
  if (s.mirostat > 0) {
    show(Opt::kMirostat, s.mirostat), show(Opt::kMirostatLr, s.mirostat_eta), show(Opt::kMirostatEnt, s.mirostat_tau);
  }
  std::string text = table(rows, "ll");
  text.pop_back();
  note_lines(text);
}

void set(Conversation& chat, const std::string& argument) {
  if (argument.empty()) return show_settings(chat);
  const size_t space = std::min(argument.find(' '), argument.size());
  const std::string name = argument.substr(0, space);
  const size_t begin = argument.find_first_not_of(' ', space);
  const std::string value = begin == std::string::npos ? "" : argument.substr(begin);
  const auto names = sampling_options().options;
  const auto id = std::find_if(names.begin(), names.end(), [&](Opt o) { return setting_name(o) == name; });
  if (id == names.end()) {
    std::string known;
    for (Opt o : names) known += (known.empty() ? "" : ", ") + setting_name(o);
    complain(kUsage, "/set: no setting '" + name + "'; there are: " + known);
    return;
  }
  if (value.empty()) {
    chat.settings.forget(*id);
    note(name + " is what it usually is from now on");
    return;
  }
  const std::string problem = value_problem(option_spec(*id), value);
  if (!problem.empty()) {
    complain(kUsage, "/set " + name + ": " + problem);
    return;
  }
  chat.settings.set(*id, value);
  note(name + " is " + value + " from now on");
}

void save(Conversation& chat, const std::string& path) {
  if (path.empty()) {
    complain(kUsage, "/save needs a file name");
    return;
  }
  const Json json = {{"messages", chat.messages}};
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  if (write_text(path, text) == 0) note("saved " + std::to_string(chat.messages.size()) + " messages in " + path);
}

void load(Conversation& chat, const std::string& path) {
  if (path.empty() || path == "-") {
    complain(kUsage, "/load needs a file name");
    return;
  }
  Json messages, whole;
  if (read_messages(path, messages, whole) != 0) return;
  std::vector<int32_t> tokens;
  if (!messages.empty() && chat_tokens(chat.model, messages, tokens) != 0) return;
  if (tokens.size() >= chat.model.info.n_ctx) {
    complain(kUsage, path + ": " + std::to_string(tokens.size()) + " tokens do not fit the context of " +
                         std::to_string(chat.model.info.n_ctx));
    return;
  }
  chat.messages = messages;
  chat.held = tokens.size();
  note("loaded " + std::to_string(messages.size()) + " messages, " + std::to_string(tokens.size()) + " tokens");
}

void stats(Conversation& chat, const std::string&) {
  const sluice_result& r = chat.last.result;
  const sluice_memory memory = engine_memory(chat.model.engine.get());
  std::vector<std::vector<std::string>> rows;
  if (r.n_prompt) {
    rows.push_back({"answer", grouped(r.n_generated) + " tokens, " + human_number(chat.last.decode_rate()) + " tok/s"});
    rows.push_back(
        {"prompt", grouped(r.n_prompt) + " tokens, " + grouped(r.n_reused) + " of them known already" +
                       (r.n_prompt > r.n_reused ? ", " + human_number(chat.last.prompt_rate()) + " tok/s" : "")});
  }
  rows.push_back({"context", grouped(chat.held) + " of " + grouped(chat.model.info.n_ctx) + " tokens"});
  rows.push_back({"memory", human_bytes(memory.used_bytes) + " in use, " + human_bytes(memory.peak_bytes) +
                                " at most, budget " + human_bytes(memory.budget_bytes)});
  rows.push_back({"process", human_bytes(memory.process_peak_bytes) + " resident at most"});
  rows.push_back({"computed by", std::string(chat.model.info.device) + " " + chat.model.info.isa + ", " +
                                     std::to_string(chat.model.info.n_threads) + " threads"});
  std::string text = table(rows, "ll");
  text.pop_back();
  note_lines(text);
}

struct Command {
  const char* name;
  const char* argument;
  const char* help;
  void (*run)(Conversation& chat, const std::string& argument);
};

const Command kCommands[] = {
    {"/help", "", "this list", help},
    {"/clear", "", "forget the conversation, keep the system message", clear},
    {"/system", "TEXT", "set the system message; without TEXT remove it", system_message},
    {"/set", "NAME VALUE", "change a setting of the answers; without VALUE: back to the usual; alone: show them", set},
    {"/save", "FILE", "write the conversation as JSON messages", save},
    {"/load", "FILE", "go on with a saved conversation", load},
    {"/stats", "", "speed, context and memory", stats},
    {"/exit", "", "leave (also Ctrl-D)", nullptr},
};

void help(Conversation&, const std::string&) {
  std::vector<std::vector<std::string>> rows;
  for (const Command& c : kCommands)
    rows.push_back({std::string(c.name) + (*c.argument ? " " : "") + c.argument, c.help});
  note_lines(table(rows, "ll") +
             "A line that ends in \\ goes on in the next; lines between two \"\"\" are one message.\n"
             "Ctrl-C stops an answer.");
}

}  // namespace

bool command(Conversation& chat, const std::string& line) {
  const size_t space = std::min(line.find_first_of(" \t\n"), line.size());
  const std::string name = line.substr(0, space);
  const size_t begin = line.find_first_not_of(" \t\n", space);
  std::string argument = begin == std::string::npos ? "" : line.substr(begin);
  argument.erase(argument.find_last_not_of(" \t\n") + 1);
  for (const Command& c : kCommands) {
    if (name != c.name) continue;
    if (!c.run) return true;
    c.run(chat, argument);
    return false;
  }
  complain(kUsage, "no command " + name + "; /help lists them");
  return false;
}

}  // namespace sluice
