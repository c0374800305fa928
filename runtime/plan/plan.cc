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

// Blocks end on page borders: 16 of them, with room to spare.
constexpr uint64_t kRoundedBlocks = 16;

struct Sizes {
  int n_threads;
  uint32_t n_ctx, max_rows, max_logit_rows;
};

std::array<uint64_t, size_t(Part::kCount)> parts_of(const ModelShape& shape, const DeviceProfile& device, Sizes sizes) {
  std::array<uint64_t, size_t(Part::kCount)> parts{};
  const auto part = [&](Part p) -> uint64_t& { return parts[size_t(p)]; };
  const std::vector<KvLayerShape> kv = kv_shapes(shape);
  part(Part::kWeights) = block_bytes(shape.weight_bytes) + block_bytes(shape.vector_bytes);
  part(Part::kKv) = kv_cache_bytes(kv, device.kv_type, sizes.n_ctx);
  part(Part::kActivations) = activation_layout(shape, sizes.max_rows).total;
  part(Part::kLogits) = block_bytes(uint64_t(sizes.max_logit_rows) * shape.n_vocab * sizeof(float)) +
                        Sampler::buffer_bytes(shape.n_vocab, sizes.n_ctx) +
                        block_bytes(uint64_t(sizes.n_ctx) * sizeof(int32_t));  // the tokens a session holds
  part(Part::kScratch) =
      block_bytes(device.scratch_bytes(step_limits(shape, sizes.n_ctx, sizes.max_rows, sizes.max_logit_rows)));
  part(Part::kHeader) = shape.header_bytes;
  part(Part::kTokenizer) = shape.tokenizer_bytes;
  part(Part::kTables) = shape.table_bytes;
  part(Part::kIo) = block_bytes(shape.gather_chunk_bytes) + kRoundedBlocks * page_bytes();
  part(Part::kThreads) = uint64_t(sizes.n_threads) * std::max(kThreadBytes, kThreadPages * page_bytes());
  part(Part::kProgram) = kProgramBytes;
  return parts;
}

uint64_t planned(const ModelShape& shape, const DeviceProfile& device, Sizes sizes) {
  const auto parts = parts_of(shape, device, sizes);
  return std::accumulate(parts.begin(), parts.end(), uint64_t{0});
}

// The largest context up to `limit` that fits: planned bytes grow with the context.
uint32_t largest_context(const ModelShape& shape, const DeviceProfile& device, Sizes sizes, uint32_t limit,
                         uint64_t budget) {
  uint32_t fits = 0, too_large = limit + 1;
  while (too_large - fits > 1) {
    const uint32_t middle = fits + (too_large - fits) / 2;
    sizes.n_ctx = middle;
    (planned(shape, device, sizes) <= budget ? fits : too_large) = middle;
  }
  return fits;
}

// Read for one decoded token when half of the context is full.
uint64_t kv_bytes_per_token(const ModelShape& shape, KvType type, uint32_t n_ctx) {
  uint64_t bytes = 0;
  for (const LayerShape& layer : shape.layers) {
    const uint32_t half = std::max(n_ctx / 2, 1u), seen = layer.window ? std::min(layer.window, half) : half;
    bytes += kv_layer_bytes({layer.n_kv_heads, layer.head_dim}, type, seen);
  }
  return bytes;
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
  plan.device = device.name, plan.kv_type = device.kv_type;
  plan.n_threads = options.n_threads > 0 ? options.n_threads : machine.n_threads;
  plan.budget_bytes = options.budget_bytes ? options.budget_bytes : machine.available_bytes;
  plan.strict_budget = options.budget_bytes != 0;
  plan.n_ctx = options.n_ctx ? options.n_ctx : std::min(kDefaultContext, std::max(shape.n_ctx, 1u));
  plan.max_logit_rows = std::max(options.max_logit_rows, 1u);
  plan.weight_bytes_per_token = shape.weight_bytes_per_token;

  plan.kv_bytes_per_token = kv_bytes_per_token(shape, plan.kv_type, plan.n_ctx);
  plan.read_GB_s = machine.read_GB_s;
  plan.predicted_decode_tok_s =
      plan.read_GB_s * 1e9 / double(std::max<uint64_t>(plan.weight_bytes_per_token + plan.kv_bytes_per_token, 1));

  // Rows of a prefill chunk change speed and memory, never results: take as many as fit.
  Sizes sizes{plan.n_threads, plan.n_ctx, options.max_rows ? options.max_rows : std::min(device.usual_rows, plan.n_ctx),
              plan.max_logit_rows};
  Sizes smallest = sizes;
  if (options.max_rows == 0) {
    smallest.max_rows = std::min(sizes.max_rows, kMinRows);
    while (sizes.max_rows > smallest.max_rows && planned(shape, device, sizes) > plan.budget_bytes)
      sizes.max_rows = std::max(sizes.max_rows / 2, smallest.max_rows);
  }
  plan.max_rows = sizes.max_rows;
  plan.parts = parts_of(shape, device, sizes);
  plan.planned_bytes = std::accumulate(plan.parts.begin(), plan.parts.end(), uint64_t{0});
  plan.minimum_bytes = planned(shape, device, smallest);
  plan.max_n_ctx =
      largest_context(shape, device, smallest, std::min(kMaxPlannedContext, std::max(shape.n_ctx, 1u)), plan.budget_bytes);
  return plan;
}

}  // namespace sluice
