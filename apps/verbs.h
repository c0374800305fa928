// SPDX-License-Identifier: Apache-2.0
// The verbs of the program. Each has a file of its own that defines one of these; main.cc lists them.
#pragma once
#include <vector>

#include "options.h"

namespace sluice {

struct Verb {
  const char* name;
  const char* group;    // heading in `sluice --help`
  const char* usage;    // "MODEL -p TEXT"
  const char* summary;  // half a sentence for the list
  const char* about;    // a paragraph for --help; may be empty
  std::vector<OptionSection> sections;
  size_t least_positional, most_positional;
  std::vector<const char*> examples;
  int (*run)(const Arguments& arguments);  // the exit code; complaints have been printed
};

const Verb& chat_verb();
const Verb& run_verb();
const Verb& convert_verb();
const Verb& inspect_verb();
const Verb& list_verb();
const Verb& rm_verb();
const Verb& plan_verb();
const Verb& bench_verb();
const Verb& eval_verb();
const Verb& tokenize_verb();
const Verb& template_verb();

// Options that several verbs share.
OptionSection engine_options();
OptionSection sampling_options();
OptionSection general_options(bool json = true);

void print_program_help(FILE* stream, const std::vector<const Verb*>& verbs);
void print_verb_help(FILE* stream, const Verb& verb);

}  // namespace sluice
