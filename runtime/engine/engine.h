// SPDX-License-Identifier: Apache-2.0
// The Engine: weights, threads, device and buffers, and `step`, the token path: rows of any sessions in, logits out.
// After create() nothing here allocates, unless the budget changes. One thread at a time, except trims().
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "runtime/engine/buffers.h"
#include "runtime/engine/input_squares.h"
#include "runtime/engine/program.h"
#include "runtime/engine/share.h"
#include "runtime/engine/stages.h"
#include "runtime/engine/trim_requests.h"
#include "runtime/kv/kv_cache.h"
#include "runtime/plan/plan.h"
#include "runtime/weights/row_gatherer.h"
#include "runtime/weights/weight_sample.h"

namespace sluice {

// Tokens of one session, to be put at positions pos, pos + 1, … of its cache.
struct SequenceTokens {
  std::span<const int32_t> tokens;
  uint32_t pos = 0;
  const KvCache* cache = nullptr;
};

class Engine {
 public:
  // Loads the weights and readies the device. kNoFit if the plan does not fit; else as the rooms behind it say.
  // sample_bytes: not 0 for an engine that is to be timed only: of the weights so many bytes are read, which stand for
  // all others too; what it computes takes as long as if all were in memory, and means nothing.
  static Result<std::unique_ptr<Engine>> create(std::shared_ptr<const Model> model, const Plan& plan,
                                                const Progress& progress, uint64_t sample_bytes = 0);

  // Computes all tokens of all sequences (at most max_rows() together, each below n_vocab, positions below the cache's
  // n_ctx) and writes their keys and values. Logits of any of the rows can then be asked for until the next step.
  // `stop`, if given, is asked about once a layer when there are kManyRows or more, or weights are streamed: kCancelled
  // when it says so. `logits_follow`: whether logits() will be called, so that the right weights are read ahead.
  // kFailed, kBadModel when weights cannot be read from disk: nothing counts as computed then, and the next step is a
  // fresh start.
  static constexpr uint32_t kManyRows = 32;  // then a layer takes so long that asking costs nothing
  Status step(std::span<const SequenceTokens> sequences, const std::function<bool()>& stop = nullptr,
              bool logits_follow = true);

  // Logits of rows of the last step, counted over its sequences in order: [rows.size()][n_vocab], at most
  // max_logit_rows() at a time; valid until the next call. Errors as of step.
  Result<std::span<const float>> logits(std::span<const uint32_t> rows);

  Result<KvCache> make_cache();

  // Another budget from now on: weights that no longer fit are given back to the system and streamed, more of them are
  // read and kept when it grows. Sessions, their tokens and all bits stay. kNoFit, and nothing changes, when it is less
  // than what this engine needs at least; else, when reading fails, the budget is the new one and the next step tries
  // again. Between steps only; trims() is for other threads.
  Status trim(uint64_t budget_bytes);
  // Served between the phases of a step (and by serve_trims), in the time of the longest of them.
  TrimRequests& trims() { return trims_; }
  void serve_trims();

  // From now on sums the squares of what every matrix is multiplied with; streamed weights make room for the sums.
  // kUsage unless the device computes in float32, kNoFit if the sums do not fit the budget.
  Status collect_inputs();
  const InputSquares& input_squares() const { return input_squares_; }

  const Model& model() const { return *model_; }
  const std::shared_ptr<const Model>& shared_model() const { return model_; }
  const Plan& plan() const { return plan_; }
  uint32_t max_rows() const { return plan_.max_rows; }
  uint32_t max_logit_rows() const { return plan_.max_logit_rows; }
  uint32_t n_vocab() const { return shape_.n_vocab; }
  const BackendInfo& device() const { return backend_->info(); }
  Accountant& accountant() { return accountant_; }
  ThreadPool& pool() { return *pool_; }
  const WeightStore& weights() const { return weights_; }
  BulkReader::Path read_path() const { return reader_->path(); }
  uint64_t streamed_bytes() const { return stream_ ? stream_->bytes_read() : 0; }  // so far

 private:
  explicit Engine(const Plan& plan) : plan_(plan), accountant_(plan.budget_bytes) {}
  Status charge_opened_model();
  Status make_ready(const Progress& progress);
  Status make_weights_ready(const Progress& progress);
  Status hold_weights(const Share& share, const Progress& progress);
  Status pause();
  Status look_at_file();
  Status unchanged_file() const;
  Status run(std::span<const Phase> phases, uint32_t number);
  Status check_formats() const;
  static Error no_fit(const Model& model, const Plan& plan);
  Result<Plan> plan_within(uint64_t budget_bytes, uint64_t reserved) const;
  Status change_budget(uint64_t budget_bytes, uint64_t reserved);

  Plan plan_;
  Accountant accountant_;  // before all that holds its blocks
  std::shared_ptr<const Model> model_;
  ModelTensors tensors_;
  ModelShape shape_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const BulkReader> reader_;
  std::shared_ptr<ChunkChecks> checks_;
  WeightStore weights_;
  std::vector<uint32_t> sample_;          // empty: all weights are what they are
  std::unique_ptr<WeightStream> stream_;  // null: all weights are resident
  std::unique_ptr<Stages> stages_;        // of the phases that are not, with stream_
  Buffers buffers_;
  Block logits_;
  std::optional<RowGatherer> gatherer_;
  Program program_;
  InputSquares input_squares_;

  // What the plan says of weights holds: they are resident or streamed, and rows can be gathered.
  bool ready_ = false;
  uint64_t unasked_bytes_ = 0;    // charged for what others hold because of the plan: threads, tables
  uint64_t own_bytes_ = 0;        // of the accountant's, those that are not the sessions'
  uint64_t unplanned_bytes_ = 0;  // of them, sums of squares: no plan knows of them
  uint64_t file_version_ = 0;
  TrimRequests trims_;

  // Of the current step.
  std::vector<GatherRow> gather_rows_;   // [max_rows]
  std::vector<SequenceRows> sequences_;  // [max_rows]: every sequence has at least one row
  StepRows rows_;
};

}  // namespace sluice
