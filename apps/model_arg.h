// SPDX-License-Identifier: Apache-2.0
// From the word MODEL on the command line to an open model: a .slm file, a .gguf file (converted once into the cache),
// or a name from `sluice list`. And from there along the straight line to an engine, by the options of the verb.
#pragma once
#include <string>
#include <vector>

#include "cache.h"
#include "files.h"
#include "options.h"
#include "signals.h"
#include "sluice/sluice.hpp"

namespace sluice {

// Functions return 0 or an exit code after a complaint.

struct OpenModel {
  EntryLock lock;  // shared, when the file lies in the cache
  std::string path;
  ModelPtr model;
};
int open_model(const std::string& word, OpenModel& out);

// The JSON of sluice_model_describe.
int describe_model(const OpenModel& model, Json& out);

struct LoadedModel : OpenModel {
  PlanPtr plan;
  EnginePtr engine;
  SessionPtr session;
  SignalCall on_signal;  // stops what the session is doing
  sluice_engine_info info{};
};

sluice_options engine_settings(const Arguments& arguments);
int make_plan(const sluice_model* model, const sluice_options& options, PlanPtr& plan);
int describe_plan(const sluice_plan* plan, Json& out);
// Complains with what would fit, if the plan does not.
int check_fit(const sluice_plan* plan);
// Model, plan, engine and a session.
int load_model(const std::string& word, const sluice_options& options, LoadedModel& out);

sluice_memory engine_memory(const sluice_engine* engine);

// The token that begins every text of this model, where the model asks for one; else empty.
int leading_tokens(const sluice_model* model, std::vector<int32_t>& tokens);
int tokenize(const sluice_model* model, std::string_view text, uint32_t flags, std::vector<int32_t>& tokens);
// Complains about a text that no tokens bring below the context, before it is cut into tokens, which takes long.
int check_length(const LoadedModel& model, std::string_view text);

}  // namespace sluice
