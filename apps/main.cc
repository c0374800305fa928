// SPDX-License-Identifier: Apache-2.0
// The program `sluice`: finds the verb, reads its options, runs it. What a verb does stands in its own file.
#include <clocale>
#include <cstring>
#include <new>

#include "cache.h"
#include "looks.h"
#include "output.h"
#include "signals.h"
#include "sluice/sluice.h"
#include "verbs.h"

namespace sluice {

namespace {

const std::vector<const Verb*>& all_verbs() {
  static const std::vector<const Verb*> verbs = {&chat_verb(), &run_verb(),     &convert_verb(),  &list_verb(),
                                                 &rm_verb(),   &inspect_verb(), &tokenize_verb(), &template_verb(),
                                                 &plan_verb(), &bench_verb(),   &eval_verb()};
  return verbs;
}

const Verb* find_verb(std::string_view name) {
  for (const Verb* verb : all_verbs()) {
    if (name == verb->name) return verb;
  }
  return nullptr;
}

int unknown_verb(std::string_view name) {
  std::string known;
  for (const Verb* verb : all_verbs()) known += std::string(known.empty() ? "" : ", ") + verb->name;
  return complain(kUsage,
                  "unknown verb '" + std::string(name.substr(0, 60)) + "'; there are: " + known + ", help, version");
}

int help(std::string_view name) {
  if (name.empty()) {
    print_program_help(stdout, all_verbs());
    return kOk;
  }
  const Verb* verb = find_verb(name);
  if (!verb) return unknown_verb(name);
  print_verb_help(stdout, *verb);
  return kOk;
}

int usage_error(const Verb& verb, const std::string& problem) {
  complain(kUsage, std::string(verb.name) + ": " + problem);
  fprintf(stderr, "usage: sluice %s %s   (sluice %s --help)\n", verb.name, verb.usage, verb.name);
  return kUsage;
}

int run_named(const Verb& verb, std::span<const char* const> words) {
  Arguments arguments;
  const std::string problem = parse_arguments(words, verb.sections, arguments);
  if (arguments.has(Opt::kHelp)) return help(verb.name);
  if (!problem.empty()) return usage_error(verb, problem);
  const size_t given = arguments.positional().size();
  if (given < verb.least_positional) return usage_error(verb, "an argument is missing");
  if (given > verb.most_positional) {
    return usage_error(verb,
                       "unexpected argument '" + arguments.positional()[verb.most_positional].substr(0, 60) + "'");
  }
  set_quiet(arguments.has(Opt::kQuiet));
  return verb.run(arguments);
}

int run_program(std::span<const char* const> words) {
  if (words.empty()) {
    print_program_help(stderr, all_verbs());
    return kUsage;
  }
  const std::string_view first = words[0];
  if (first == "--help" || first == "-h" || first == "help") return help(words.size() > 1 ? words[1] : "");
  if (first == "--version" || first == "version") {
    put(std::string("sluice ") + sluice_version() + "\n");
    return kOk;
  }
  const Verb* verb = find_verb(first);
  return verb ? run_named(*verb, words.subspan(1)) : unknown_verb(first);
}

}  // namespace

}  // namespace sluice

int main(int argc, char** argv) {
  using namespace sluice;
  // Bare systems have no locale set, but their terminals speak UTF-8 all the same.
  const char* locale = setlocale(LC_CTYPE, "");
  if (!locale || strcmp(locale, "C") == 0 || strcmp(locale, "POSIX") == 0) setlocale(LC_CTYPE, "C.UTF-8");
  catch_signals(remove_abandoned_locks);
  int code;
  try {
    code = run_program({argv + (argc > 0), size_t(argc > 0 ? argc - 1 : 0)});
  } catch (const std::bad_alloc&) {
    code = complain(kFailed, "out of memory");
  }
  return finish_output(code);
}
