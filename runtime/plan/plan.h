// SPDX-License-Identifier: Apache-2.0
// Every byte before one is allocated: a pure function of a model's numbers, the budget, the machine and the options.
// A plan either fits or says what would. Weights that do not all fit are pinned as far as the budget goes; the others
// are streamed from disk through a window of fixed slots (plan/pinning.h chooses).
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <string>

#include "backends/backend.h"
#include "runtime/plan/machine.h"
#include "runtime/plan/pinning.h"
#include "runtime/plan/shape.h"

namespace sluice {

struct PlanOptions {
  int n_threads = 0;          // 0: the machine's
  uint64_t budget_bytes = 0;  // 0: what the machine can spare
  uint32_t n_ctx = 0;         // 0: kDefaultContext, or the model's if that is smaller
  uint32_t max_rows = 0;      // 0: as many as fit, at most the device's usual_rows
  uint32_t max_logit_rows = 0;
  uint32_t window_slots = 0;  // 0: as many as suit the budget
  uint64_t io_limit = 0;      // bytes that are streamed a second at most; 0: as many as the disk gives
};

inline constexpr uint32_t kDefaultContext = 4096, kMaxPlannedContext = 1u << 22;
inline constexpr uint32_t kMinRows = 16, kMaxRowsLimit = 1u << 14;

// What the device adds to a plan.
struct DeviceProfile {
  std::string name;
  KvType kv_type = KvType::kQ8;
  std::function<uint64_t(const StepLimits&)> scratch_bytes;
  uint32_t usual_rows = BackendInfo{}.usual_rows;
  std::string isa = {};
};

enum class Part : uint8_t {
  kWeights,
  kKv,
  kActivations,
  kLogits,
  kScratch,
  kHeader,
  kTokenizer,
  kTables,
  kIo,
  kThreads,
  kProgram,
  kCount
};
const char* part_name(Part part);

struct Plan {
  std::string device, isa;
  int n_threads = 1;
  uint32_t n_ctx = 0, max_rows = 0, max_logit_rows = 0;
  KvType kv_type = KvType::kQ8;
  uint64_t budget_bytes = 0;
  uint64_t available_bytes = 0, reserve_bytes = 0;  // the machine's, where nobody named the budget: their difference
  bool cgroup_limits = false;
  double memory_pressure = 0;
  bool strict_budget = false;  // a person named the budget: not even the page cache is taken beyond it
  std::array<uint64_t, size_t(Part::kCount)> parts{};
  uint64_t planned_bytes = 0;             // their sum
  uint64_t minimum_bytes = 0;             // the smallest budget for this context
  uint64_t resident_bytes = 0;            // the smallest with which nothing is streamed
  uint32_t max_n_ctx = 0;                 // the largest context that fits the budget; 0: none
  uint64_t weight_bytes_per_token = 0;    // read for one decoded token
  uint64_t streamed_bytes_per_token = 0;  // of them, with padding, read from disk
  WindowPlan window;                      // no slots: all weights are resident
  uint64_t kv_bytes_per_token = 0;        // the same, when half of the context is full
  uint64_t io_limit = 0;                  // bytes that are streamed a second at most; 0: no limit
  double read_GB_s = 0, disk_GB_s = 0;    // the machine's bandwidths, as far as they were given
  Speed speed;                            // the same
  // With an empty context, and with one that is half full. From the bandwidths alone: the latter is what reading those
  // bytes allows at most. 0: not known.
  double predicted_decode_tok_s = 0, predicted_half_full_tok_s = 0;
  bool prediction_is_bound = false;
  bool fits() const { return planned_bytes <= budget_bytes; }

  uint64_t part(Part p) const { return parts[size_t(p)]; }
};

// Of all layers' keys and values, what a token reads after `depth` others.
uint64_t context_bytes(const ModelShape& shape, KvType type, uint32_t depth);

// What one session takes: its cache, its tokens and its sampler.
uint64_t session_bytes(const ModelShape& shape, KvType kv_type, uint32_t n_ctx);

StepLimits step_limits(const ModelShape& shape, uint32_t n_ctx, uint32_t max_rows, uint32_t max_logit_rows);

// kUsage when an option is out of its range; a budget that is too small is an answer, not an error.
Result<Plan> make_plan(const ModelShape& shape, const PlanOptions& options, const Machine& machine,
                       const DeviceProfile& device);

}  // namespace sluice
