// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/speed.h"

#include <algorithm>
#include <chrono>

#include "runtime/model/shape.h"

namespace sluice {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

// Others who use the machine for a moment only make it slower, so of several measurements a good one counts.
double at_share(std::vector<double> values, double share) {
  const size_t at = size_t(double(values.size() - 1) * share + 0.5);
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(at), values.end());
  return values[at];
}
double lower_quartile(std::vector<double> values) { return at_share(std::move(values), 0.25); }
double upper_quartile(std::vector<double> values) { return at_share(std::move(values), 0.75); }

// ---- the disk ------------------------------------------------------------------------------------------------------

constexpr uint64_t kDiskBytes = uint64_t{192} << 20;  // read again and again
constexpr uint32_t kDiskSlots = 6;
constexpr std::chrono::milliseconds kWarmTime{150}, kDiskTime{400}, kDiskSlice{40};

// ---- computing -----------------------------------------------------------------------------------------------------

constexpr uint64_t kSampleBytes = uint64_t{256} << 20, kLeastSample = uint64_t{32} << 20;
constexpr double kMostLoadSeconds = 0.5;
constexpr uint32_t kDeep = 1536;  // positions: where the context's cost is measured

// Each token's seconds, decoded one after the other from `pos` on.
class Decode {
 public:
  static Result<Decode> create(Engine& engine, const ModelShape& shape, uint32_t n_ctx) {
    Decode decode(engine);
    SLUICE_TRY(decode.cache_, KvCache::create(kv_shapes(shape), engine.plan().kv_type, n_ctx, engine.accountant()));
    // Pages of its own, not the shared zero page.
    for (size_t l = 0; l < shape.layers.size(); ++l) {
      const LayerShape& layer = shape.layers[l];
      std::byte* bytes = decode.cache_.layers()[l].keys;
      const uint64_t n =
          kv_layer_bytes({layer.n_kv_heads, layer.head_dim}, engine.plan().kv_type, decode.cache_.n_slots());
      for (uint64_t at = 0; at < n; at += BulkReader::kPage) reinterpret_cast<volatile std::byte*>(bytes)[at] = {};
    }
    return decode;
  }

  Result<std::vector<double>> run(uint32_t pos, uint32_t n_least, uint32_t n_most, std::chrono::milliseconds time) {
    std::vector<double> seconds;
    const Clock::time_point begin = Clock::now();
    for (uint32_t i = 0; i < n_most && (i < n_least || Clock::now() - begin < time); ++i) {
      const Clock::time_point before = Clock::now();
      token_ = (token_ * 1103515245 + 12345) & 0x7fffffff;
      const int32_t token = int32_t(token_ % engine_.n_vocab());
      const SequenceTokens rows{{&token, 1}, pos + i, &cache_};
      SLUICE_DO(engine_.step({&rows, 1}));
      constexpr uint32_t kRow[] = {0};
      SLUICE_DO(engine_.logits(kRow));
      seconds.push_back(Seconds(Clock::now() - before).count());
    }
    return seconds;
  }

 private:
  explicit Decode(Engine& engine) : engine_(engine) {}
  Engine& engine_;
  KvCache cache_;
  uint32_t token_ = 1;
};

}  // namespace

Result<double> measure_disk_GB_s(const std::shared_ptr<const Model>& model) {
  SLUICE_TRY(const ModelTensors tensors, find_tensors(*model));
  WeightStream::Config config;
  config.pieces = stream_pieces(*model, tensors, Residence::kReadBytes);
  uint64_t bytes = 0;
  size_t n = 0;
  for (; n < config.pieces.size() && bytes < kDiskBytes; ++n) {
    bytes += config.pieces[n].bytes;
    config.slot_bytes = std::max(config.slot_bytes, config.pieces[n].bytes);
  }
  config.pieces.resize(n);
  config.n_body = uint32_t(n);
  config.n_slots = std::max(kDiskSlots, slots_needed(config.pieces));
  std::vector<const std::byte*> chunk_pointers(model->header().chunks()->size());
  Accountant accountant(0);
  SLUICE_TRY(const std::unique_ptr<WeightStream> stream,
             WeightStream::create(model, BulkReader::open(model->shared_source(), true),
                                  std::make_shared<ChunkChecks>(model), std::move(config), chunk_pointers, accountant));
  uint32_t piece = 0;
  // Bytes a second, taken until the time is over and `n_least` pieces came.
  const auto read = [&](std::chrono::milliseconds time, size_t n_least) -> Result<double> {
    uint64_t bytes = 0;
    const Clock::time_point begin = Clock::now();
    for (size_t i = 0; i < n_least || Clock::now() - begin < time; ++i) {
      SLUICE_DO(stream->take(piece));
      stream->release();
      bytes += stream->pieces()[piece].bytes;
      piece = (piece + 1) % uint32_t(n);
    }
    return double(bytes) / Seconds(Clock::now() - begin).count();
  };
  // First hashes are checked, and the window's memory becomes its own.
  SLUICE_DO(read(kWarmTime, kDiskSlots));
  std::vector<double> rates;
  for (const Clock::time_point begin = Clock::now(); rates.empty() || Clock::now() - begin < kDiskTime;) {
    SLUICE_TRY(const double rate, read(kDiskSlice, 2));
    rates.push_back(rate);
  }
  // A disk that others use for a moment, or that is waking up, is only slower.
  return upper_quartile(std::move(rates)) / 1e9;
}

Result<Speed> measure_speed(const std::shared_ptr<const Model>& model, const Plan& plan) {
  Speed speed;
  SLUICE_TRY(speed.disk_GB_s, measure_disk_GB_s(model));
  SLUICE_TRY(const ModelTensors tensors, find_tensors(*model));
  const ModelShape shape = shape_of(*model, tensors);
  // The sample takes no more than the weights of the plan and their window, and no long time to read.
  const uint64_t room = plan.part(Part::kWeights) + plan.window.bytes() - block_bytes(shape.vector_bytes);
  const uint64_t load = std::max(uint64_t(speed.disk_GB_s * 1e9 * kMostLoadSeconds), kLeastSample);
  const uint64_t sample = std::min({kSampleBytes, load, room});
  Plan timed = plan;
  timed.window = {};
  SLUICE_TRY(const std::unique_ptr<Engine> engine,
             Engine::create(model, timed, nullptr, std::max<uint64_t>(sample, 1)));
  const uint32_t n_ctx = std::min(plan.n_ctx, 2 * kDeep), deep = n_ctx / 2;
  SLUICE_TRY(Decode decode, Decode::create(*engine, shape, n_ctx));
  SLUICE_DO(decode.run(0, 1, 3, std::chrono::milliseconds(100)));  // warms up
  const uint32_t n_shallow = std::min(n_ctx, 128u);
  SLUICE_TRY(const std::vector<double> shallow,
             decode.run(0, std::min(n_ctx, 3u), n_shallow, std::chrono::milliseconds(600)));
  speed.token_s = lower_quartile(shallow);
  SLUICE_TRY(const std::vector<double> far, decode.run(deep, 1, n_ctx - deep, std::chrono::milliseconds(200)));
  const uint64_t between = context_bytes(shape, plan.kv_type, deep + uint32_t(far.size() / 2)) -
                           context_bytes(shape, plan.kv_type, uint32_t(shallow.size() / 2));
  const double more_s = lower_quartile(far) - speed.token_s;
  if (more_s > 0) speed.context_GB_s = double(between) / more_s / 1e9;
  return speed;
}

}  // namespace sluice
