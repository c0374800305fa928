// SPDX-License-Identifier: Apache-2.0
// The C door: plans.
#include "runtime/door/handles.h"
#include "runtime/engine/probe.h"
#include "runtime/engine/speed.h"
#include "runtime/model/json_writer.h"
#include "runtime/model/shape.h"

using namespace sluice;
using namespace sluice::door;

namespace {

constexpr const char* kMake = "sluice_plan_make";
constexpr int kMaxThreads = 256;
constexpr double kMaxReadGBs = 1e6, kMaxTokenSeconds = 1e6;

Status check_threads(int32_t n_threads) {
  if (n_threads >= 0 && n_threads <= kMaxThreads) return {};
  return make_error(Code::kUsage, "threads", kNoOffset, "%d threads, 1 to %d are possible", n_threads, kMaxThreads);
}

Status check_bandwidth(const char* option, double GB_s) {
  if (GB_s >= 0 && GB_s <= kMaxReadGBs) return {};
  return make_error(Code::kUsage, option, kNoOffset, "%g is no bandwidth", GB_s);
}

// The device is asked what it would need; it and its threads are gone again when the plan is made.
Result<Plan> plan_for(const Model& model, const sluice_options& o) {
  SLUICE_DO(check_threads(o.n_threads));
  SLUICE_DO(check_bandwidth("read_GB_s", o.read_GB_s));
  SLUICE_DO(check_bandwidth("disk_GB_s", o.disk_GB_s));
  SLUICE_DO(check_bandwidth("context_GB_s", o.context_GB_s));
  if (!(o.token_s >= 0 && o.token_s <= kMaxTokenSeconds))
    return make_error(Code::kUsage, "token_s", kNoOffset, "%g seconds are no time for a token", o.token_s);
  if (o.kv_type != nullptr && std::string_view(o.kv_type) != "q8")
    return make_error(Code::kUsage, "kv_type", kNoOffset, "\"%s\" is not known, \"q8\" is", o.kv_type);
  SLUICE_TRY(const ModelTensors tensors, find_tensors(model));
  Machine machine = this_machine(o.n_threads);
  machine.read_GB_s = o.read_GB_s, machine.disk_GB_s = o.disk_GB_s;
  machine.speed = {o.token_s, o.context_GB_s, o.disk_GB_s};
  SLUICE_TRY(const std::unique_ptr<ThreadPool> pool, ThreadPool::create(machine.n_threads));
  const std::string device = o.device ? o.device : "auto";
  SLUICE_TRY(const std::unique_ptr<Backend> backend, create_backend(device, *pool));

  DeviceProfile profile;
  profile.name = backend->info().name, profile.isa = backend->info().isa;
  profile.kv_type = backend->info().kv_type;
  profile.usual_rows = backend->info().usual_rows;
  profile.scratch_bytes = [&](const StepLimits& limits) { return backend->scratch_bytes(limits); };
  PlanOptions options{machine.n_threads, o.memory_bytes, o.n_ctx, o.max_rows, o.max_logit_rows};
  options.io_limit = o.io_limit;
  return make_plan(shape_of(model, tensors), options, machine, profile);
}

std::string describe_plan(const Plan& plan) {
  JsonWriter json;
  json.object().member("fits", plan.fits()).member("budget_bytes", plan.budget_bytes);
  json.member("budget_from", std::string_view(plan.strict_budget   ? "option"
                                              : plan.cgroup_limits ? "cgroup"
                                                                   : "machine"));
  if (!plan.strict_budget) {
    json.member("available_bytes", plan.available_bytes).member("reserve_bytes", plan.reserve_bytes);
    json.member("memory_pressure", plan.memory_pressure);
  }
  json.member("planned_bytes", plan.planned_bytes).member("minimum_bytes", plan.minimum_bytes);
  json.member("resident_bytes", plan.resident_bytes).key("parts").object();
  for (size_t p = 0; p < size_t(Part::kCount); ++p) json.member(part_name(Part(p)), plan.parts[p]);
  json.end_object()
      .member("streamed_bytes_per_token", plan.streamed_bytes_per_token)
      .member("weight_bytes_per_token", plan.weight_bytes_per_token);
  json.member("kv_bytes_per_token", plan.kv_bytes_per_token);
  if (plan.predicted_decode_tok_s > 0) {
    json.key("predicted").object().member("decode_tok_s", plan.predicted_decode_tok_s);
    json.member("half_full_tok_s", plan.predicted_half_full_tok_s).member("bound", plan.prediction_is_bound);
    if (plan.read_GB_s > 0) json.member("read_GB_s", plan.read_GB_s);
    if (plan.disk_GB_s > 0) json.member("disk_GB_s", plan.disk_GB_s);
    if (plan.speed.token_s > 0) json.member("token_s", plan.speed.token_s);
    json.end_object();
  }
  if (plan.io_limit > 0) json.member("io_limit", plan.io_limit);
  json.key("window")
      .object()
      .member("slots", plan.window.n_slots)
      .member("slot_bytes", plan.window.slot_bytes)
      .end_object();
  json.member("n_ctx", plan.n_ctx).member("max_n_ctx", plan.max_n_ctx).member("max_rows", plan.max_rows);
  json.member("threads", plan.n_threads).member("device", std::string_view(plan.device));
  json.member("isa", std::string_view(plan.isa)).end_object();
  return json.take();
}

}  // namespace

sluice_status sluice_measure_read(int32_t n_threads, double* read_GB_s, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_measure_read", read_GB_s));
    SLUICE_DO(check_threads(n_threads));
    const Machine machine = this_machine(n_threads);
    SLUICE_TRY(*read_GB_s, measure_read_GB_s(machine.n_threads, machine.available_bytes));
    return {};
  });
}

sluice_status sluice_plan_make(const sluice_model* model, const sluice_options* options, sluice_plan** plan,
                               sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require(kMake, model, plan));
    SLUICE_TRY(const sluice_options o, read_struct(kMake, options, sluice_options SLUICE_OPTIONS_INIT));
    SLUICE_TRY(Plan made, plan_for(*model->model, o));
    *plan = new sluice_plan{model->model, std::move(made)};
    return {};
  });
}

sluice_status sluice_measure_speed(const sluice_plan* plan, sluice_speed* speed, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_measure_speed", plan, speed));
    SLUICE_TRY(const Speed measured, measure_speed(plan->model, plan->plan));
    write_struct({sizeof(sluice_speed), measured.token_s, measured.context_GB_s, measured.disk_GB_s}, speed);
    return {};
  });
}

sluice_status sluice_measure_disk(const sluice_model* model, double* disk_GB_s, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_measure_disk", model, disk_GB_s));
    SLUICE_TRY(*disk_GB_s, measure_disk_GB_s(model->model));
    return {};
  });
}

void sluice_plan_close(sluice_plan* plan) { delete plan; }

bool sluice_plan_fits(const sluice_plan* plan) { return plan != nullptr && plan->plan.fits(); }

sluice_status sluice_plan_describe(const sluice_plan* plan, sluice_text* json, sluice_error* error) {
  return guard(error, [&]() -> Status {
    SLUICE_DO(require("sluice_plan_describe", plan, json));
    give_text(describe_plan(plan->plan), json);
    return {};
  });
}
