// SPDX-License-Identifier: Apache-2.0
// A converted model against its source, weight by weight: the source through source_weights.h, the model through the
// reader that its program hands in. Runs of rows are shared out among threads.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <map>
#include <mutex>
#include <new>

#include "base/thread_pool.h"
#include "converter/byte_window.h"
#include "converter/open_source.h"
#include "converter/source_weights.h"
#include "sluice/convert.h"

namespace sluice {

namespace {

constexpr uint64_t kRunWeights = 1 << 20;  // compared at once by a thread
constexpr size_t kWindow = 1 << 20;
constexpr const char* kInHeader[] = {"rope_freqs.weight"};

bool in_header(const std::string& name) {
  return std::find(std::begin(kInHeader), std::end(kInHeader), name) != std::end(kInHeader);
}

// A tensor that both sides have.
struct Pair {
  const GgufTensor* source;
  size_t model;  // index
  uint32_t rows, cols;
  size_t type;  // index into the report's types
};

struct Run {
  size_t pair;
  uint32_t first_row, n_rows;
};

class SourceCheck {
 public:
  SourceCheck(const Gguf& gguf, const ConvertedModel& model) : gguf_(gguf), model_(model) {}

  Result<CheckReport> run(int n_threads, const std::function<bool(uint64_t, uint64_t)>& progress) {
    pair_tensors();
    cut_into_runs();
    progress_ = progress;
    SLUICE_TRY(const auto pool, ThreadPool::create(n_threads > 0 ? n_threads : default_thread_count()));
    pool->run([](void* self, int thread) { static_cast<SourceCheck*>(self)->work(thread); }, this);
    if (no_memory_) throw std::bad_alloc();
    if (error_) return *error_;
    if (cancelled_) return make_error(Code::kCancelled, gguf_.file().path(), kNoOffset, "the check was cancelled");
    if (progress_ && !progress_(total_, total_)) cancelled_ = true;
    for (const CheckedType& type : report_.types) report_.weights += type.weights;
    return std::move(report_);
  }

 private:
  // Vectors become float32, matrices keep their type unless they were quantized; then no weight can be the source's.
  size_t type_index(const GgufTensor& source, const std::string& native) {
    const BlockFormat& format = *source.format;
    const bool quantized = source.n_dims > 1 && native != format.native;
    for (size_t i = 0; i < report_.types.size(); ++i) {
      if (report_.types[i].type == format.name && report_.types[i].format == native) return i;
    }
    CheckedType type;
    type.type = format.name, type.format = native,
    type.remark = quantized       ? "quantized"
                  : format.remark ? format.remark
                                  : "";
    report_.types.push_back(type);
    return report_.types.size() - 1;
  }

  void pair_tensors() {
    std::map<std::string, size_t> by_name;
    for (size_t i = 0; i < model_.tensors.size(); ++i) by_name.emplace(model_.tensors[i].name, i);
    for (const GgufTensor& source : gguf_.tensors()) {
      const auto found = by_name.find(source.name);
      if (found == by_name.end()) {
        (in_header(source.name) ? report_.elsewhere : report_.problems)
            .push_back(in_header(source.name) ? source.name : source.name + " is not in the model");
        continue;
      }
      const ConvertedModel::Tensor& tensor = model_.tensors[found->second];
      // Rows beyond the vocabulary are left out of matrices that have a row for each token.
      const bool per_token = source.name == "token_embd.weight" || source.name == "output.weight";
      const bool rows_fit = tensor.rows == source.n_rows() || (per_token && tensor.rows < source.n_rows());
      if (source.dims[0] != tensor.cols || !rows_fit) {
        report_.problems.push_back(source.name + " has the shape " + source.shape() + " in the source, [" +
                                   std::to_string(tensor.cols) + ", " + std::to_string(tensor.rows) + "] in the model");
      } else if (!source.format->native) {
        report_.problems.push_back(source.name + " has the type " + source.format->name +
                                   ", which cannot be decoded: " + source.format->remark);
      } else {
        const size_t type = type_index(source, tensor.format);
        ++report_.types[type].tensors;
        pairs_.push_back({&source, found->second, tensor.rows, tensor.cols, type});
      }
      by_name.erase(found);
    }
    for (const auto& [name, index] : by_name) report_.problems.push_back(name + " is not in the source");
  }

  void cut_into_runs() {
    for (size_t p = 0; p < pairs_.size(); ++p) {
      const Pair& pair = pairs_[p];
      const uint64_t fit = std::max<uint64_t>(kRunWeights / pair.cols / 16 * 16, 16);
      for (uint64_t first = 0; first < pair.rows; first += fit) {
        runs_.push_back({p, uint32_t(first), uint32_t(std::min<uint64_t>(fit, pair.rows - first))});
      }
      total_ += pair.source->row_bytes() * pair.rows;
    }
  }

  // Only bad_alloc could end a thread, and the one that called run() throws it again.
  void work(int thread) {
    try {
      compare_runs(thread);
    } catch (const std::bad_alloc&) {
      no_memory_ = stop_ = true;
    }
  }

  void compare_runs(int thread) {
    while (!stop_) {
      const size_t next = next_++;
      if (next >= runs_.size()) return;
      const Status status = compare(runs_[next]);
      if (!status.ok()) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = status.error();
        stop_ = true;
      }
      // One thread speaks.
      if (thread == 0 && progress_ && !progress_(done_, total_)) cancelled_ = true, stop_ = true;
    }
  }

  Status compare(const Run& run) {
    const Pair& pair = pairs_[run.pair];
    const GgufTensor& source = *pair.source;
    const size_t row_bytes = size_t(source.row_bytes());
    std::vector<float> got(size_t(run.n_rows) * pair.cols);
    SLUICE_DO(model_.read(pair.model, run.first_row, run.n_rows, got.data()));
    ByteWindow window(gguf_.file_of(source), kWindow);
    uint64_t different = 0;
    std::optional<WeightDifference> first;
    for (uint32_t r = 0; r < run.n_rows; ++r) {
      const uint64_t row = uint64_t(run.first_row) + r;
      SLUICE_TRY(const uint8_t* blocks, window.view(source.offset + row * row_bytes, row_bytes));
      for (uint32_t c = 0; c < pair.cols; ++c) {
        float expected = source_weight(*source.format, blocks, c);
        if (!source.as_stored()) expected = expected * source.times + source.plus;
        const float found = got[size_t(r) * pair.cols + c];
        if (std::bit_cast<uint32_t>(expected) == std::bit_cast<uint32_t>(found)) continue;
        if (std::isnan(expected) && std::isnan(found)) continue;
        ++different;
        if (!first) first = WeightDifference{source.name, row, c, expected, found};
      }
    }
    const std::lock_guard lock(mutex_);
    CheckedType& type = report_.types[pair.type];
    type.weights += uint64_t(run.n_rows) * pair.cols;
    type.different += different;
    const size_t index = size_t(&run - runs_.data());
    if (first && type.remark.empty() && index < first_run_) report_.first = first, first_run_ = index;
    done_ += run.n_rows * row_bytes;
    return {};
  }

  const Gguf& gguf_;
  const ConvertedModel& model_;
  std::function<bool(uint64_t, uint64_t)> progress_;
  std::vector<Pair> pairs_;
  std::vector<Run> runs_;
  uint64_t total_ = 0;  // bytes of the source
  std::atomic<size_t> next_ = 0;
  std::atomic<uint64_t> done_ = 0;
  std::atomic<bool> stop_ = false, no_memory_ = false;

  std::mutex mutex_;  // guards what follows
  CheckReport report_;
  size_t first_run_ = SIZE_MAX;  // of report_.first
  std::optional<Error> error_;
  bool cancelled_ = false;
};

}  // namespace

Result<CheckReport> check_against_source(const std::string& source, const ConvertedModel& model, int n_threads,
                                         const std::function<bool(uint64_t, uint64_t)>& progress) {
  SLUICE_TRY(const Gguf gguf, open_source(source, [](const std::string&) {}));
  return SourceCheck(gguf, model).run(n_threads, progress);
}

}  // namespace sluice
