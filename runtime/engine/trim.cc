// SPDX-License-Identifier: Apache-2.0
// Live budgets: a new plan for the same context, rows and sessions, and the way to it.
#include <algorithm>

#include "base/log.h"
#include "runtime/engine/engine.h"
#include "runtime/model/shape.h"

namespace sluice {

Status Engine::trim(uint64_t budget_bytes) { return change_budget(budget_bytes, 0); }

void Engine::serve_trims() {
  trims_.serve([this](uint64_t bytes) { return trim(bytes); });
}

// Between two phases of a step, or before one.
Status Engine::pause() {
  serve_trims();
  return make_ready(nullptr);
}

// `reserved`: bytes that the plan is to leave free.
Result<Plan> Engine::plan_within(uint64_t budget_bytes, uint64_t reserved) const {
  DeviceProfile device;
  device.name = backend_->info().name, device.isa = backend_->info().isa, device.kv_type = plan_.kv_type;
  device.scratch_bytes = [this](const StepLimits& limits) { return backend_->scratch_bytes(limits); };
  Machine machine{budget_bytes, plan_.n_threads, plan_.read_GB_s, plan_.disk_GB_s};
  machine.speed = plan_.speed;
  // A plan has room for one session; more of them hold what they hold.
  const uint64_t held = accountant_.used() - own_bytes_, session = session_bytes(shape_, plan_.kv_type, plan_.n_ctx);
  reserved += unplanned_bytes_ + held - std::min(held, session);
  // Chunks that stay where they are do not always end on the borders of pages larger than theirs.
  for (uint64_t rounding = 0;;) {
    const uint64_t left = budget_bytes - std::min(budget_bytes, reserved + rounding);
    PlanOptions options{plan_.n_threads, std::max<uint64_t>(left, 1), plan_.n_ctx, plan_.max_rows,
                        plan_.max_logit_rows};
    options.io_limit = plan_.io_limit;
    SLUICE_TRY(Plan next, make_plan(shape_, options, machine, device));
    const bool fits = next.fits();
    next.budget_bytes = budget_bytes, next.minimum_bytes += reserved + rounding;
    if (!fits) {
      next.planned_bytes += reserved + rounding;
      return no_fit(*model_, next);
    }
    const uint64_t planned = next.part(Part::kWeights) - block_bytes(shape_.vector_bytes);
    const uint64_t held_weights = weights_.bytes_of(share_of(*model_, tensors_, next.window).resident);
    if (held_weights <= planned) return next;
    rounding += held_weights - planned;
  }
}

Status Engine::change_budget(uint64_t budget_bytes, uint64_t reserved) {
  SLUICE_TRY(Plan next, plan_within(budget_bytes, reserved));
  log(LogLevel::kInfo, "%s: the budget is now %llu bytes; %llu bytes are streamed for each token",
      model_->name().c_str(), (unsigned long long)(budget_bytes), (unsigned long long)(next.streamed_bytes_per_token));
  plan_ = std::move(next);
  ready_ = false;
  return make_ready(nullptr);
}

}  // namespace sluice
