// SPDX-License-Identifier: Apache-2.0
#include "model_arg.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "expected_speed.h"
#include "looks.h"
#include "output.h"
#include "progress.h"
#include "signals.h"
#include "sluice/convert.h"
#include "template_notice.h"

namespace sluice {

namespace {

int convert_into_cache(const std::string& source, const std::string& target) {
  Progress progress("Converting " + source.substr(source.rfind('/') + 1), ProgressUnit::kBytes, 0.3,
                    "converting " + source + " into the cache (once)");
  ConvertOptions options;
  // Until weights are copied there is nobody to ask whether to go on.
  std::optional<SignalsEndAtOnce> while_reading(std::in_place);
  options.progress = [&](uint64_t done, uint64_t total) {
    while_reading.reset();
    return progress.update(done, total);
  };
  options.notice = [&](const std::string& line) {
    progress.clear();
    note(line);
  };
  const auto report = convert_file(source, target, options);
  progress.clear();
  if (!report.ok()) return complain(report.error());
  if (const std::string line = template_notice(target); !line.empty()) note(line);
  return 0;
}

bool open_quietly(const std::string& path, OpenModel& out, sluice_error& error) {
  error = SLUICE_ERROR_INIT;
  if (sluice_model_open(path.c_str(), sluice::out(out.model), &error) != SLUICE_OK) return false;
  out.path = path;
  return true;
}

int lock_entry(const std::string& name, LockKind kind, EntryLock& lock) {
  if (lock.acquire(name, kind, false)) return 0;
  if (errno == EWOULDBLOCK) {
    note("waiting for another sluice that works on " + name);
    if (lock.acquire(name, kind, true)) return 0;
  }
  if (interrupted()) return interrupt_exit_code();
  // A cache that cannot be written can still be read: nobody can remove from it either.
  if (kind == LockKind::kShared && (errno == EROFS || errno == EACCES || errno == ENOENT)) return 0;
  return complain(kFailed, cache_folder() + ": cannot lock " + name + ": " + strerror(errno));
}

int open_cached(const std::string& name, OpenModel& out) {
  if (const int code = lock_entry(name, LockKind::kShared, out.lock)) return code;
  sluice_error error;
  const auto entry = find_cache_entry(name);
  if (!entry) {
    out.lock.abandon();
    return complain(kBadModel, name + ": has just been removed from the cache");
  }
  return open_quietly(entry->path, out, error) ? 0 : complain(error);
}

int open_through_cache(const std::string& source, OpenModel& out) {
  if (cache_folder().empty()) return complain(kFailed, "no folder for the cache: set HOME or XDG_CACHE_HOME");
  const auto name = cache_name_for(source);
  if (!name) return complain(kBadModel, source + ": cannot read: " + strerror(errno));
  const std::string target = cache_folder() + "/" + *name + ".slm";
  sluice_error error;
  if (find_cache_entry(*name)) {
    if (const int code = lock_entry(*name, LockKind::kShared, out.lock)) return code;
    if (find_cache_entry(*name) && open_quietly(target, out, error)) return 0;
    out.lock.release();
  }
  if (!make_folders(cache_folder()))
    return complain(kFailed, cache_folder() + ": cannot make the folder: " + strerror(errno));
  if (const int code = lock_entry(*name, LockKind::kExclusive, out.lock)) return code;
  if (find_cache_entry(*name)) {
    // Converted by somebody else while we waited, or a copy that is damaged or of another version.
    if (open_quietly(target, out, error)) {
      out.lock.share();
      return 0;
    }
    if (error.status != SLUICE_BAD_MODEL) return complain(error);
    note("the converted copy cannot be used (" + describe(error) + "); converting again");
  }
  sweep_locks();
  if (const int code = convert_into_cache(source, target)) {
    out.lock.abandon();
    return code;
  }
  if (!open_quietly(target, out, error)) return complain(error);
  out.lock.share();
  return 0;
}

}  // namespace

int open_model(const std::string& word, OpenModel& out) {
  struct stat info;
  if (word.empty()) return complain(kUsage, "MODEL is empty");
  if (stat(word.c_str(), &info) != 0) {
    const int reason = errno;
    if (find_cache_entry(word)) return open_cached(word, out);
    return complain(kBadModel, word + ": cannot open: " + strerror(reason) +
                                   (word.find('/') == std::string::npos ? ", and `sluice list` has no such name" : ""));
  }
  if (S_ISDIR(info.st_mode)) {
    if (is_convertible(word)) return open_through_cache(word.substr(0, word.find_last_not_of('/') + 1), out);
    return complain(kBadModel, word +
                                   ": is a folder; expected a .gguf or .slm file, or a folder with config.json and "
                                   "model.safetensors");
  }
  if (S_ISREG(info.st_mode) && is_convertible(word)) return open_through_cache(source_files(word).front(), out);
  sluice_error error;
  return open_quietly(word, out, error) ? 0 : complain(error);
}

int describe_model(const OpenModel& model, Json& out) {
  Text text;
  sluice_error error = SLUICE_ERROR_INIT;
  if (sluice_model_describe(model.model.get(), text.out(), &error) != SLUICE_OK) return complain(error);
  out = Json::parse(text.view(), nullptr, false);
  return out.is_object() ? 0 : complain(kFailed, model.path + ": its description is not JSON");
}

sluice_options engine_settings(const Arguments& arguments) {
  static std::string device, kv_type;  // the struct points at them
  device = arguments.text(Opt::kDevice, "auto");
  kv_type = arguments.text(Opt::kKvType, "q8");
  sluice_options options = SLUICE_OPTIONS_INIT;
  options.n_threads = int32_t(arguments.whole(Opt::kThreads, 0));
  options.memory_bytes = arguments.whole(Opt::kMemory, 0);
  options.n_ctx = uint32_t(arguments.whole(Opt::kContext, 0));
  options.io_limit = arguments.whole(Opt::kIoLimit, 0);
  options.device = device.c_str();
  options.kv_type = kv_type.c_str();
  return options;
}

int make_plan(const sluice_model* model, const sluice_options& options, PlanPtr& plan) {
  sluice_error error = SLUICE_ERROR_INIT;
  return sluice_plan_make(model, &options, out(plan), &error) == SLUICE_OK ? 0 : complain(error);
}

int describe_plan(const sluice_plan* plan, Json& out) {
  Text text;
  sluice_error error = SLUICE_ERROR_INIT;
  if (sluice_plan_describe(plan, text.out(), &error) != SLUICE_OK) return complain(error);
  out = Json::parse(text.view(), nullptr, false);
  return out.is_object() ? 0 : complain(kFailed, "the plan's description is not JSON");
}

int check_fit(const sluice_plan* plan) {
  if (sluice_plan_fits(plan)) return 0;
  Json facts;
  if (const int code = describe_plan(plan, facts)) return code;
  const auto number = [&](const char* key) {
    return facts.contains(key) && facts[key].is_number() ? facts[key].get<uint64_t>() : uint64_t{0};
  };
  const uint64_t least_MiB = (number("minimum_bytes") + (1 << 20) - 1) >> 20;
  std::string text = "does not fit: at least " + human_bytes(number("minimum_bytes")) +
                     " are needed for a context of " + std::to_string(number("n_ctx")) + ", the budget is " +
                     human_bytes(number("budget_bytes")) + "; --memory " + std::to_string(least_MiB) + "M would do";
  if (number("max_n_ctx") > 0)
    text += ", or --context " + std::to_string(number("max_n_ctx")) + " within this budget";
  else
    text += ", no smaller context fits";
  return complain(kNoFit, text);
}

int load_model(const std::string& word, const sluice_options& options, LoadedModel& out) {
  if (const int code = open_model(word, out)) return code;
  if (const int code = make_plan(out.model.get(), options, out.plan)) return code;
  if (const int code = check_fit(out.plan.get())) return code;
  warn_of_slow_disk(out, out.plan.get(), options);
  sluice_error error = SLUICE_ERROR_INIT;
  Progress progress("Loading", ProgressUnit::kBytes, 0.5);
  const sluice_status status = sluice_engine_create(out.model.get(), out.plan.get(), progress_callback, &progress,
                                                    sluice::out(out.engine), &error);
  progress.clear();
  if (interrupted()) return interrupt_exit_code();
  if (status != SLUICE_OK) return complain(error);
  if (sluice_session_create(out.engine.get(), sluice::out(out.session), &error) != SLUICE_OK) return complain(error);
  out.on_signal.arm([](void* session) { sluice_session_cancel(static_cast<sluice_session*>(session)); },
                    out.session.get());
  out.info.size = sizeof out.info;
  sluice_engine_get_info(out.engine.get(), &out.info);
  return 0;
}

sluice_memory engine_memory(const sluice_engine* engine) {
  sluice_memory memory{};
  memory.size = sizeof memory;
  sluice_engine_memory(engine, &memory);
  return memory;
}

int leading_tokens(const sluice_model* model, std::vector<int32_t>& tokens) {
  if (const int code = tokenize(model, "", SLUICE_ADD_SPECIAL, tokens)) return code;
  if (!tokens.empty() && sluice_token_is_end(model, tokens[0])) tokens.clear();  // only an end token is added
  if (tokens.size() > 1) tokens.resize(1);
  return 0;
}

int tokenize(const sluice_model* model, std::string_view text, uint32_t flags, std::vector<int32_t>& tokens) {
  sluice_error error = SLUICE_ERROR_INIT;
  size_t n = 0;
  tokens.resize(text.size() / 2 + 16);
  sluice_status status =
      sluice_tokenize(model, text.data(), text.size(), flags, tokens.data(), tokens.size(), &n, &error);
  if (status == SLUICE_FAILED && n > tokens.size()) {
    tokens.resize(n);
    status = sluice_tokenize(model, text.data(), text.size(), flags, tokens.data(), tokens.size(), &n, &error);
  }
  if (status != SLUICE_OK) return complain(error);
  tokens.resize(n);
  return 0;
}

int check_length(const LoadedModel& model, std::string_view text) {
  if (text.size() <= model.info.n_ctx) return 0;
  Json facts;
  if (const int code = describe_model(model, facts)) return code;
  const Json& vocab = facts["vocab"];
  if (!vocab.contains("longest_text_bytes")) return 0;
  const uint64_t longest = vocab["longest_text_bytes"].get<uint64_t>();
  if (longest == 0 || text.size() / longest < model.info.n_ctx) return 0;
  return complain(kUsage, "the prompt has " + human_bytes(text.size()) + ", at least " +
                              grouped(text.size() / longest) + " tokens, and does not fit the context of " +
                              std::to_string(model.info.n_ctx) + " tokens; shorten it, or give a larger --context");
}

}  // namespace sluice
