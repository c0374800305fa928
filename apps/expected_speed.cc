// SPDX-License-Identifier: Apache-2.0
#include "expected_speed.h"

#include <algorithm>

#include "curve.h"
#include "looks.h"
#include "output.h"
#include "speed.h"

namespace sluice {

namespace {

// The float32 oracle computes far below what a machine allows, and nobody waits for it by choice.
bool is_oracle(const Json& facts) { return facts.contains("device") && facts["device"] == "reference"; }

// False after a complaint.
bool key_of(const OpenModel& model, const Json& facts, SpeedKey& key) {
  Json description;
  if (describe_model(model, description) != 0) return false;
  key = speed_key(description, facts, model.path);
  return true;
}

}  // namespace

Expectation expect_speed(const OpenModel& model, const sluice_plan* plan, const Json& facts, sluice_options& options) {
  Expectation expected;
  SpeedKey key;
  if (is_oracle(facts) || !key_of(model, facts, key)) return expected;
  KnownSpeed known = recall_speed(key);
  if ((known.speed.token_s <= 0 || known.speed.disk_GB_s <= 0) && sluice_plan_fits(plan)) {
    sluice_error error = SLUICE_ERROR_INIT;
    sluice_speed probed = SLUICE_SPEED_INIT;
    if (sluice_measure_speed(plan, &probed, &error) == SLUICE_OK) {
      keep_probe(key, probed);
      known = recall_speed(key);
      // Also where the cache cannot be written.
      if (known.speed.token_s <= 0) known.speed.token_s = probed.token_s;
      if (known.speed.disk_GB_s <= 0) known.speed.disk_GB_s = probed.disk_GB_s;
      if (known.speed.context_GB_s <= 0) known.speed.context_GB_s = probed.context_GB_s;
    } else {
      expected.problem = describe(error);
    }
  }
  options.token_s = known.speed.token_s;
  options.context_GB_s = known.speed.context_GB_s;
  options.disk_GB_s = known.speed.disk_GB_s;
  expected.token_from_run = known.token_from_run, expected.disk_from_run = known.disk_from_run;
  return expected;
}

void warn_of_slow_disk(const OpenModel& model, const sluice_plan* plan, sluice_options options) {
  Json facts;
  if (describe_plan(plan, facts) != 0) return;
  const uint64_t streamed = count_in(facts, "streamed_bytes_per_token");
  SpeedKey key;
  if (streamed == 0 || is_oracle(facts) || is_quiet() || !key_of(model, facts, key)) return;
  KnownSpeed known = recall_speed(key);
  if (known.speed.disk_GB_s <= 0) {
    if (sluice_measure_disk(model.model.get(), &known.speed.disk_GB_s, nullptr) != SLUICE_OK) return;
    sluice_speed probed = known.speed;
    if (known.token_from_run) probed.token_s = 0;
    keep_probe(key, probed);
  }
  double rate = known.speed.disk_GB_s * 1e9;
  if (options.io_limit > 0) rate = std::min(rate, double(options.io_limit));
  if (!(rate > 0) || double(streamed) / rate <= kTooLongSeconds) return;

  options.memory_bytes = count_in(facts, "budget_bytes");
  options.token_s = known.speed.token_s > 0 ? known.speed.token_s : 1e-9;  // the disk alone counts
  options.context_GB_s = known.speed.context_GB_s, options.disk_GB_s = known.speed.disk_GB_s;
  const uint64_t all = count_in(facts, "resident_bytes");
  const uint64_t cure = budget_for(model.model.get(), options, 1, all);
  const auto megabytes = [](uint64_t bytes) { return std::to_string((bytes + (1 << 20) - 1) >> 20) + "M"; };
  const double mebibytes_a_second = rate / double(1 << 20);
  note("slow: each token takes about " + human_number(double(streamed) / rate) + " s, because " +
       human_bytes(streamed) + " of weights are read from disk for it at " + human_number(mebibytes_a_second) +
       " MiB/s; " + (cure > 0 && cure < all ? "--memory " + megabytes(cure) + " would give a token a second, " : "") +
       "--memory " + megabytes(all) + " keeps all weights in memory");
}

void remember_speed(const LoadedModel& model, uint64_t tokens, double seconds, double depth) {
  Json facts;
  SpeedKey key;
  if (tokens < kLeastTokens || describe_plan(model.plan.get(), facts) != 0 || is_oracle(facts) ||
      !key_of(model, facts, key))
    return;
  Reached run{tokens, seconds};
  const double half = std::max(double(count_in(facts, "n_ctx")) / 2, 1.0);
  run.context_bytes = uint64_t(double(count_in(facts, "kv_bytes_per_token")) * std::min(depth / half, 2.0));
  run.streamed_bytes = count_in(facts, "streamed_bytes_per_token"), run.io_limit = count_in(facts, "io_limit");
  keep_run(key, run);
}

}  // namespace sluice
