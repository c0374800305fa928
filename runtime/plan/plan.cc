// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan/plan.h"

#include <algorithm>
#include <numeric>

#include "base/accountant.h"
#include "runtime/plan/activation_layout.h"
#include "runtime/sampling/sampler.h"

namespace sluice {
namespace {

// Measured (x86-64, glibc 2.36, release build, SmolLM2 in chat, /proc/PID/status): program and libraries 5.4 MiB
// (RssFile), page tables 0.3 MiB (VmPTE); the rest is room for the heap of small objects.
constexpr uint64_t kProgramBytes = 8 << 20;
// Touched stack, thread-local storage and kernel stack of one worker: at least this, and a few pages.
constexpr uint64_t kThreadBytes = 64 << 10, kThreadPages = 4;
constexpr int kReaderThreads = 2;  // of a weight stream

// Blocks end on page borders: 16 of them, with room to spare.
constexpr uint64_t kRoundedBlocks = 16;

struct Sizes {
  int n_threads;
  uint32_t n_ctx, max_rows, max_logit_rows;
  const WindowShape* window = nullptr;  // null: all weights are resident
  uint32_t n_slots = 0;
  uint64_t pinned_bytes = 0;

  bool gathers(const ModelShape& shape) const { return shape.gathers_always || window != nullptr; }
};

std::array<uint64_t, size_t(Part::kCount)> parts_of(const ModelShape& shape, const DeviceProfile& device, Sizes sizes) {
  std::array<uint64_t, size_t(Part::kCount)> parts{};
  const auto part = [&](Part p) -> uint64_t& { return parts[size_t(p)]; };
  const bool gathers = sizes.gathers(shape);
  part(Part::kWeights) =
      block_bytes(sizes.window ? sizes.pinned_bytes : shape.weight_bytes) + block_bytes(shape.vector_bytes);
  part(Part::kKv) = kv_cache_bytes(kv_shapes(shape), device.kv_type, sizes.n_ctx);
  part(Part::kActivations) = activation_layout(shape, sizes.max_rows).total;
  part(Part::kLogits) = block_bytes(uint64_t(sizes.max_logit_rows) * shape.n_vocab * sizeof(float)) +
                        session_bytes(shape, device.kv_type, sizes.n_ctx) - part(Part::kKv);
  part(Part::kScratch) =
      block_bytes(device.scratch_bytes(step_limits(shape, sizes.n_ctx, sizes.max_rows, sizes.max_logit_rows)));
  part(Part::kHeader) = shape.header_bytes;
  part(Part::kTokenizer) = shape.tokenizer_bytes;
  part(Part::kTables) = shape.table_bytes;
  part(Part::kIo) = kRoundedBlocks * page_bytes();
  if (gathers)
    part(Part::kIo) += block_bytes(shape.gather_buffer_bytes) + block_bytes(sizes.max_rows * shape.gather_row_bytes);
  int n_threads = sizes.n_threads;
  if (sizes.window) {
    part(Part::kTables) += sizes.window->pieces.size() * shape.window_table_bytes;
    part(Part::kIo) += block_bytes(sizes.n_slots * sizes.window->slot_bytes);
    n_threads += kReaderThreads;
  }
  part(Part::kThreads) = uint64_t(n_threads) * std::max(kThreadBytes, kThreadPages * page_bytes());
  part(Part::kProgram) = kProgramBytes;
  return parts;
}

uint64_t planned(const ModelShape& shape, const DeviceProfile& device, Sizes sizes) {
  const auto parts = parts_of(shape, device, sizes);
  return std::accumulate(parts.begin(), parts.end(), uint64_t{0});
}

// ---- weights that do not fit ---------------------------------------------------------------------------------------

// A window to choose from; the first is the best, the last the smallest.
struct WindowChoice {
  const WindowShape* shape;
  uint32_t n_slots;
};

std::vector<WindowChoice> window_choices(const ModelShape& shape, uint32_t asked_slots) {
  // Two reads in flight, two pieces that wait, two that are computed with.
  constexpr uint32_t kGoodSlots = 6, kFewSlots = 4;
  std::vector<WindowChoice> choices;
  const auto add = [&](const WindowShape& window, uint32_t n_slots) {
    choices.push_back({&window, std::max(asked_slots ? asked_slots : n_slots, window.min_slots)});
  };
  for (const WindowShape& window : shape.windows) add(window, kGoodSlots);
  if (!shape.windows.empty()) add(shape.windows.back(), kFewSlots), add(shape.windows.back(), 0);
  return choices;
}

// The way to need the least: everything streamed through the smallest window, or resident if that is less.
Sizes least_sizes(const ModelShape& shape, const DeviceProfile& device, Sizes sizes, uint32_t asked_slots) {
  const std::vector<WindowChoice> choices = window_choices(shape, asked_slots);
  if (choices.empty()) return sizes;
  Sizes streamed = sizes;
  streamed.window = choices.back().shape, streamed.n_slots = choices.back().n_slots;
  return planned(shape, device, streamed) < planned(shape, device, sizes) ? streamed : sizes;
}

uint64_t least_planned(const ModelShape& shape, const DeviceProfile& device, Sizes sizes, uint32_t asked_slots) {
  return planned(shape, device, least_sizes(shape, device, sizes, asked_slots));
}

// The window and the rows of a prefill chunk for a model whose weights do not all fit; false if none of both fits.
// Rows and slots beyond what keeps the disk busy only take memory from pinned weights: each gets a fair share at most.
bool choose_window(const ModelShape& shape, const DeviceProfile& device, uint32_t min_rows, uint32_t asked_slots,
                   uint64_t budget, Sizes& sizes) {
  constexpr uint64_t kRowsShare = 16, kWindowShare = 8;  // of the budget
  const std::vector<WindowChoice> choices = window_choices(shape, asked_slots);
  Sizes tried = sizes;
  for (;; tried.max_rows = std::max(tried.max_rows / 2, min_rows)) {
    const bool last = tried.max_rows <= min_rows;
    Sizes none = tried;
    none.max_rows = 1;
    const bool many = planned(shape, device, tried) - planned(shape, device, none) > budget / kRowsShare;
    for (size_t i = 0; i < choices.size() && (last || !many); ++i) {
      tried.window = choices[i].shape, tried.n_slots = choices[i].n_slots;
      const bool large = tried.n_slots * tried.window->slot_bytes > budget / kWindowShare;
      if ((large && !asked_slots && i + 1 < choices.size()) || planned(shape, device, tried) > budget) continue;
      sizes = tried;
      return true;
    }
    if (last) return false;
  }
}

// The largest context up to `limit` that fits: planned bytes grow with the context.
uint32_t largest_context(const ModelShape& shape, const DeviceProfile& device, Sizes sizes, uint32_t asked_slots,
                         uint32_t limit, uint64_t budget) {
  uint32_t fits = 0, too_large = limit + 1;
  while (too_large - fits > 1) {
    const uint32_t middle = fits + (too_large - fits) / 2;
    sizes.n_ctx = middle;
    (least_planned(shape, device, sizes, asked_slots) <= budget ? fits : too_large) = middle;
  }
  return fits;
}

// Read for one decoded token when half of the context is full.
uint64_t kv_bytes_per_token(const ModelShape& shape, KvType type, uint32_t n_ctx) {
  return context_bytes(shape, type, std::max(n_ctx / 2, 1u));
}

}  // namespace

uint64_t context_bytes(const ModelShape& shape, KvType type, uint32_t depth) {
  uint64_t bytes = 0;
  for (const LayerShape& layer : shape.layers) {
    const uint32_t seen = layer.window ? std::min(layer.window, depth) : depth;
    bytes += kv_layer_bytes({layer.n_kv_heads, layer.head_dim}, type, seen);
  }
  return bytes;
}

namespace {

// `bytes`: what the fixed parts leave over.
void pin_weights(uint64_t bytes, Plan& plan, Sizes& sizes) {
  const WindowShape& window = *sizes.window;
  plan.window = {sizes.n_slots, window.limit_bytes, window.slot_bytes, choose_pinned(window.pieces, bytes)};
  for (size_t i = 0; i < window.pieces.size(); ++i)
    (plan.window.pinned[i] ? sizes.pinned_bytes : plan.streamed_bytes_per_token) += window.pieces[i].bytes;
}

// Where the model was measured: what follows from that. Else the slower of memory, which every weight and the context
// come from in the end, and the disk beside it.
void predict(Plan& plan, const Machine& machine) {
  plan.read_GB_s = machine.read_GB_s, plan.disk_GB_s = machine.disk_GB_s;
  plan.speed = machine.speed;
  if (machine.speed.token_s > 0) {
    const auto with = [&](uint64_t context) {
      return machine.speed.decode_tok_s(context, plan.streamed_bytes_per_token, plan.io_limit);
    };
    plan.predicted_decode_tok_s = with(0), plan.predicted_half_full_tok_s = with(plan.kv_bytes_per_token);
    return;
  }
  if (plan.read_GB_s <= 0 || (plan.streamed_bytes_per_token > 0 && plan.disk_GB_s <= 0)) return;
  const uint64_t memory_bytes = std::max<uint64_t>(plan.weight_bytes_per_token + plan.kv_bytes_per_token, 1);
  plan.predicted_decode_tok_s = plan.read_GB_s * 1e9 / double(memory_bytes);
  if (plan.streamed_bytes_per_token > 0)
    plan.predicted_decode_tok_s =
        std::min(plan.predicted_decode_tok_s, plan.disk_GB_s * 1e9 / double(plan.streamed_bytes_per_token));
  if (plan.io_limit > 0 && plan.streamed_bytes_per_token > 0)
    plan.predicted_decode_tok_s =
        std::min(plan.predicted_decode_tok_s, double(plan.io_limit) / double(plan.streamed_bytes_per_token));
  plan.predicted_half_full_tok_s = plan.predicted_decode_tok_s;
  plan.prediction_is_bound = true;
}

Status check_range(const char* option, uint32_t value, uint32_t limit) {
  if (value <= limit) return {};
  return make_error(Code::kUsage, option, kNoOffset, "%u is too large, the limit is %u", value, limit);
}

}  // namespace

const char* part_name(Part part) {
  constexpr const char* kNames[] = {"weights",   "kv",     "activations", "logits",  "scratch", "header",
                                    "tokenizer", "tables", "io",          "threads", "program"};
  static_assert(std::size(kNames) == size_t(Part::kCount));
  return kNames[size_t(part)];
}

std::vector<KvLayerShape> kv_shapes(const ModelShape& shape) {
  std::vector<KvLayerShape> kv;
  for (const LayerShape& layer : shape.layers) kv.push_back({layer.n_kv_heads, layer.head_dim});
  return kv;
}

uint64_t session_bytes(const ModelShape& shape, KvType kv_type, uint32_t n_ctx) {
  return kv_cache_bytes(kv_shapes(shape), kv_type, n_ctx) + Sampler::buffer_bytes(shape.n_vocab, n_ctx) +
         block_bytes(uint64_t(n_ctx) * sizeof(int32_t));
}

StepLimits step_limits(const ModelShape& shape, uint32_t n_ctx, uint32_t max_rows, uint32_t max_logit_rows) {
  StepLimits limits;
  limits.max_rows = max_rows, limits.max_out_rows = max_logit_rows;
  limits.d_model = limits.max_cols = shape.d_model;
  limits.n_ctx = n_ctx, limits.n_vocab = shape.n_vocab;
  for (const LayerShape& layer : shape.layers) {
    const uint32_t heads_dim = layer.n_heads * layer.head_dim;
    limits.max_heads_dim = std::max(limits.max_heads_dim, heads_dim);
    limits.max_kv_heads_dim = std::max(limits.max_kv_heads_dim, layer.n_kv_heads * layer.head_dim);
    limits.max_cols = std::max({limits.max_cols, heads_dim, layer.d_ff});
    limits.max_heads = std::max(limits.max_heads, layer.n_heads);
    limits.max_head_dim = std::max(limits.max_head_dim, layer.head_dim);
  }
  return limits;
}

Result<Plan> make_plan(const ModelShape& shape, const PlanOptions& options, const Machine& machine,
                       const DeviceProfile& device) {
  SLUICE_DO(check_range("context", options.n_ctx, std::min(kMaxPlannedContext, std::max(shape.n_ctx, 1u))));
  SLUICE_DO(check_range("max_rows", options.max_rows, kMaxRowsLimit));
  SLUICE_DO(check_range("max_logit_rows", options.max_logit_rows, kMaxRowsLimit));

  Plan plan;
  plan.device = device.name, plan.isa = device.isa, plan.kv_type = device.kv_type;
  plan.n_threads = options.n_threads > 0 ? options.n_threads : machine.n_threads;
  plan.budget_bytes = options.budget_bytes;
  plan.strict_budget = options.budget_bytes != 0;
  if (!plan.strict_budget) {
    plan.available_bytes = machine.available_bytes, plan.reserve_bytes = machine.reserve_bytes;
    plan.cgroup_limits = machine.cgroup_limits, plan.memory_pressure = machine.memory_pressure;
    plan.budget_bytes = machine.available_bytes - std::min(machine.reserve_bytes, machine.available_bytes);
  }
  plan.n_ctx = options.n_ctx ? options.n_ctx : std::min(kDefaultContext, std::max(shape.n_ctx, 1u));
  plan.max_logit_rows = std::max(options.max_logit_rows, 1u);
  plan.weight_bytes_per_token = shape.weight_bytes_per_token, plan.io_limit = options.io_limit;

  plan.kv_bytes_per_token = kv_bytes_per_token(shape, plan.kv_type, plan.n_ctx);

  // Rows of a prefill chunk change speed and memory, never results: take as many as fit.
  Sizes sizes{plan.n_threads, plan.n_ctx, options.max_rows ? options.max_rows : std::min(device.usual_rows, plan.n_ctx),
              plan.max_logit_rows};
  Sizes smallest = sizes;
  if (options.max_rows == 0) {
    smallest.max_rows = std::min(sizes.max_rows, kMinRows);
    Sizes resident = sizes;
    while (resident.max_rows > smallest.max_rows && planned(shape, device, resident) > plan.budget_bytes)
      resident.max_rows = std::max(resident.max_rows / 2, smallest.max_rows);
    if (shape.windows.empty() || planned(shape, device, resident) <= plan.budget_bytes) sizes = resident;
  }
  if (planned(shape, device, sizes) > plan.budget_bytes) {
    const bool fits = choose_window(shape, device, smallest.max_rows, options.window_slots, plan.budget_bytes, sizes);
    if (!fits) sizes = least_sizes(shape, device, smallest, options.window_slots);
    if (sizes.window) pin_weights(fits ? plan.budget_bytes - planned(shape, device, sizes) : 0, plan, sizes);
  }
  plan.max_rows = sizes.max_rows;
  plan.parts = parts_of(shape, device, sizes);
  plan.planned_bytes = std::accumulate(plan.parts.begin(), plan.parts.end(), uint64_t{0});
  plan.resident_bytes = planned(shape, device, smallest);
  plan.minimum_bytes = least_planned(shape, device, smallest, options.window_slots);
  plan.max_n_ctx = largest_context(shape, device, smallest, options.window_slots,
                                   std::min(kMaxPlannedContext, std::max(shape.n_ctx, 1u)), plan.budget_bytes);
  predict(plan, machine);
  return plan;
}

}  // namespace sluice
