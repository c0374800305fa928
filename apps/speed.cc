// SPDX-License-Identifier: Apache-2.0
#include "speed.h"

#include <sys/stat.h>
#include <sys/utsname.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>
#include <span>

#include "base/file.h"
#include "cache.h"

namespace sluice {

namespace {

constexpr int kVersion = 1;
constexpr uint64_t kMostFileBytes = 64 << 10;
constexpr int64_t kFreshSeconds = 24 * 3600;
constexpr double kMostTokenSeconds = 1e5, kMostGBs = 1e5;

std::string text_in(const Json& json, const char* key) {
  return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : "";
}

// In (0, most], else 0.
double number_in(const Json& json, const char* key, double most) {
  if (!json.contains(key) || !json[key].is_number()) return 0;
  const double value = json[key].get<double>();
  return value > 0 && value <= most ? value : 0;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string name;
  // x86 has a name; ARM tells implementer and part of each core.
  for (std::string line; std::getline(file, line) && name.size() < 200;) {
    const size_t colon = line.find(": ");
    if (colon == std::string::npos) continue;
    if (line.compare(0, 10, "model name") == 0) return line.substr(colon + 2, 200);
    if (line.compare(0, 8, "CPU part") == 0 || line.compare(0, 15, "CPU implementer") == 0)
      name += line.substr(colon + 2, 10) + " ";
  }
  return name;
}

std::string file_of(const SpeedKey& key) {
  const std::string models = cache_folder();
  if (models.empty() || key.model_hash.empty()) return "";
  std::string name = key.model_hash + "-" + key.device + "-" + key.isa + "-t" + std::to_string(key.threads);
  for (char& c : name)
    if (c == '/' || c == '\0') c = '-';
  return models.substr(0, models.rfind('/')) + "/speed/" + name + ".json";
}

int64_t now_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

Json facts_of(const SpeedKey& key) {
  return {{"version", kVersion}, {"cpu", key.cpu}, {"kernel", key.kernel}, {"disk", key.disk}};
}

// The whole file if it is of this machine as it is now; else a new one. Never trusted: every number is looked at again
// where it is used.
Json read_kept(const SpeedKey& key) {
  const Json fresh = facts_of(key);
  const std::string path = file_of(key);
  if (path.empty()) return fresh;
  const auto text = read_small_file(path, kMostFileBytes);
  if (!text.ok()) return fresh;
  bool flat = true;  // two levels are all there is
  Json kept = Json::parse(
      *text, [&](int depth, Json::parse_event_t, Json&) { return flat &= depth <= 3; }, false);
  if (!flat || !kept.is_object()) return fresh;
  for (const auto& [name, value] : fresh.items())
    if (!kept.contains(name) || kept[name] != value) return fresh;
  for (const char* part : {"probe", "run"})
    if (kept.contains(part) && !kept[part].is_object()) kept.erase(part);
  return kept;
}

void write_kept(const SpeedKey& key, const Json& kept) {
  const std::string path = file_of(key);
  if (path.empty() || !make_folders(path.substr(0, path.rfind('/')))) return;
  const std::string text = json_line(kept);
  (void)write_small_file(path, std::as_bytes(std::span(text)));
}

Json part_of(const Json& kept, const char* name) { return kept.contains(name) ? kept[name] : Json::object(); }

// A run of many tokens replaces what was known, a short one moves it.
void blend(Json& run, const char* key, double value, uint64_t tokens, double most) {
  if (!(value > 0 && value <= most)) return;
  const double before = number_in(run, key, most), weight = double(tokens) / double(tokens + kLeastTokens);
  run[key] = before > 0 ? before + (value - before) * weight : value;
}

}  // namespace

SpeedKey speed_key(const Json& model, const Json& plan, const std::string& path) {
  SpeedKey key;
  key.model_hash = text_in(model, "hash");
  key.device = text_in(plan, "device"), key.isa = text_in(plan, "isa");
  if (plan.contains("threads") && plan["threads"].is_number_unsigned()) key.threads = plan["threads"].get<uint64_t>();
  key.cpu = cpu_name();
  utsname system{};
  if (uname(&system) == 0) key.kernel = system.release;
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) key.disk = info.st_dev;
  return key;
}

KnownSpeed recall_speed(const SpeedKey& key) {
  const Json kept = read_kept(key), probe = part_of(kept, "probe"), run = part_of(kept, "run");
  KnownSpeed known;
  const int64_t age = now_s() - int64_t(number_in(probe, "time", 1e12));
  if (age >= 0 && age < kFreshSeconds) {
    known.speed.token_s = number_in(probe, "token_s", kMostTokenSeconds);
    known.speed.disk_GB_s = number_in(probe, "disk_GB_s", kMostGBs);
  }
  known.speed.context_GB_s = number_in(probe, "context_GB_s", kMostGBs);
  if (const double token_s = number_in(run, "token_s", kMostTokenSeconds); token_s > 0)
    known.speed.token_s = token_s, known.token_from_run = true;
  if (const double disk = number_in(run, "disk_GB_s", kMostGBs); disk > 0)
    known.speed.disk_GB_s = disk, known.disk_from_run = true;
  return known;
}

void keep_probe(const SpeedKey& key, const sluice_speed& probed) {
  Json kept = read_kept(key);
  kept["probe"] = {{"time", now_s()},
                   {"token_s", probed.token_s},
                   {"context_GB_s", probed.context_GB_s},
                   {"disk_GB_s", probed.disk_GB_s}};
  write_kept(key, kept);
}

sluice_speed learned_from(const Reached& run, const sluice_speed& known) {
  sluice_speed learned = SLUICE_SPEED_INIT;
  const double token_s = run.tokens ? run.seconds / double(run.tokens) : 0;
  if (!(token_s > 0) || !std::isfinite(token_s)) return learned;
  const double context_s = known.context_GB_s > 0 ? double(run.context_bytes) / (known.context_GB_s * 1e9) : 0;
  if (run.streamed_bytes == 0) {
    learned.token_s = std::max(token_s - context_s, token_s / 2);
    return learned;
  }
  // The disk set the pace where the token took clearly longer than computing it, and no limit held the disk back.
  constexpr double kClearly = 1.1, kNearLimit = 0.9, kNotHidden = 0.5;  // the latter as sluice_speed says
  const double rate = double(run.streamed_bytes) / token_s;
  const bool limited = run.io_limit > 0 && rate > kNearLimit * double(run.io_limit);
  const double computing = known.token_s + context_s;
  if (known.token_s > 0 && token_s > kClearly * computing && !limited)
    learned.disk_GB_s = double(run.streamed_bytes) / (token_s - kNotHidden * computing) / 1e9;
  return learned;
}

void keep_run(const SpeedKey& key, const Reached& run) {
  if (run.tokens < kLeastTokens) return;
  const sluice_speed learned = learned_from(run, recall_speed(key).speed);
  if (learned.token_s <= 0 && learned.disk_GB_s <= 0) return;
  Json kept = read_kept(key);
  if (!kept.contains("run")) kept["run"] = Json::object();
  blend(kept["run"], "token_s", learned.token_s, run.tokens, kMostTokenSeconds);
  blend(kept["run"], "disk_GB_s", learned.disk_GB_s, run.tokens, kMostGBs);
  write_kept(key, kept);
}

}  // namespace sluice
