// SPDX-License-Identifier: Apache-2.0
#include "converter/weight_copier.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/checked.h"
#include "base/thread_pool.h"
#include "converter/byte_window.h"
#include "converter/pack.h"

namespace sluice {

namespace {

constexpr size_t kReadWindow = 1 << 20;
constexpr uint64_t kRunBytes = 2 << 20;   // of chunks read and written at once: disks like few and large requests
using Buffers = std::vector<PageBuffer>;  // of windows that are gone, for those that come

const Recipe* find_recipe(const Recipes& recipes, const TensorUse& use) {
  const auto found = recipes.find(use.source);
  return found == recipes.end() ? nullptr : &found->second;
}

// Vectors are float32 whatever the source has; matrices keep their format unless there is a recipe.
const FormatSpec& native_format(const Recipes& recipes, const TensorUse& use) {
  const Recipe* recipe = find_recipe(recipes, use);
  const BlockFormat& stored = recipe ? *recipe->target : *use.source->format;
  const FormatSpec* spec = find_format(is_vector(use.role) ? "f32" : stored.native);
  SLUICE_CHECK(spec != nullptr);
  return *spec;
}

uint32_t format_index(fb::HeaderT& header, const FormatSpec& spec) {
  for (uint32_t f = 0; f < header.formats.size(); ++f) {
    if (header.formats[f]->name == spec.name) return f;
  }
  header.formats.push_back(format_object(spec));
  return uint32_t(header.formats.size() - 1);
}

// Row (or element of a vector) of the source that becomes row `r`. Rotation pairs: row 2j + s of a head becomes row
// s * head_dim / 2 + j.
uint32_t source_index(const TensorUse& use, uint32_t r) {
  if (use.order == fb::RowOrder::Plain) return r;
  const uint32_t half = use.head_dim / 2, i = r % use.head_dim;
  return r - i + 2 * (i % half) + i / half;
}

// What all threads saw of a tensor's numbers together: the same whoever read which row.
struct Seen {
  std::atomic<float> largest = 0;        // magnitude, where it is quantized
  std::atomic<uint64_t> not_finite = 0;  // numbers that are kept so

  void note_largest(float x) {
    for (float before = largest; before < x && !largest.compare_exchange_weak(before, x);) {
    }
  }
};

// One tensor on its way: reads its rows in any order and delivers strips.
class StripSource {
 public:
  StripSource(const Gguf& gguf, const Recipes& recipes, const TensorUse& use, uint32_t lanes, Seen& seen,
              PageBuffer buffer)
      : gguf_(gguf),
        use_(use),
        seen_(seen),
        recipe_(find_recipe(recipes, use)),
        native_(native_format(recipes, use)),
        lanes_(lanes),
        window_(gguf.file_of(*use.source), kReadWindow, std::move(buffer)) {
    if (recipe_) numbers_.resize(use.cols);
  }
  PageBuffer take_buffer() { return window_.take_buffer(); }

  // Reads the rows of `n` strips at once, where they are not too many.
  Status load(uint32_t first, uint32_t n) {
    const uint64_t row_bytes = use_.source->row_bytes();
    uint64_t begin = uint64_t(first) * lanes_, end = std::min<uint64_t>(begin + uint64_t(n) * lanes_, use_.rows);
    if (use_.order == fb::RowOrder::RopePairs && !is_vector(use_.role)) {  // rows are moved inside their head
      begin -= begin % use_.head_dim;
      end = std::min<uint64_t>(round_up(end, use_.head_dim), use_.rows);
    }
    return window_.load(use_.source->offset + begin * row_bytes, (end - begin) * row_bytes);
  }

  Status write_strip(uint32_t strip, std::byte* out) {
    const size_t row_bytes = size_t(use_.source->row_bytes());
    const uint32_t first = strip * lanes_;
    const uint32_t n_rows = use_.rows - first < lanes_ ? use_.rows - first : lanes_;
    const auto place = [&](uint32_t r) {
      const uint32_t row = is_vector(use_.role) ? 0 : source_index(use_, first + r);
      return use_.source->offset + row * row_bytes;
    };
    bool together = !recipe_;  // in the window: they are packed from there, else from rows_
    for (uint32_t r = 0; r < n_rows; ++r) together = together && window_.holds(place(r), row_bytes);
    if (!together) rows_.resize(stored_row_bytes() * lanes_);
    const uint8_t* pointers[kTileRows];
    for (uint32_t r = 0; r < n_rows; ++r) {
      SLUICE_TRY(const uint8_t* from, window_.view(place(r), row_bytes));
      uint8_t* to = rows_.data() + r * stored_row_bytes();
      if (recipe_) {
        SLUICE_DO(encode(place(r), from, to));
      } else {
        if (!together) memcpy(to, from, row_bytes);
        const BlockFormat& format = *use_.source->format;
        if (is_native_number(format)) {
          if (const uint32_t n = count_not_finite(format, from, use_.cols)) seen_.not_finite += n;
        }
      }
      pointers[r] = together ? from : to;
    }
    if (is_vector(use_.role)) {
      write_vector(pointers[0], out);
    } else {
      pack_strip(stored(), native_, use_.cols, lanes_, pointers, n_rows, out);
    }
    return {};
  }

  size_t strip_size() const { return size_t(strip_bytes(native_, use_.cols, lanes_)); }

 private:
  const BlockFormat& stored() const { return recipe_ ? *recipe_->target : *use_.source->format; }
  size_t stored_row_bytes() const {
    return recipe_ ? size_t(use_.cols) / recipe_->target->inputs * recipe_->target->bytes
                   : size_t(use_.source->row_bytes());
  }

  Status encode(uint64_t offset, const uint8_t* from, uint8_t* to) {
    const auto bad = [&](const char* what) {
      const uint64_t row = (offset - use_.source->offset) / use_.source->row_bytes();
      return make_error(Code::kBadModel, gguf_.file_of(*use_.source).path(), offset,
                        "row %llu of tensor %s has a weight that %s; it cannot be quantized",
                        static_cast<unsigned long long>(row), use_.source->title().c_str(), what);
    };
    if (!decode_row(*use_.source->format, from, use_.cols, numbers_.data())) return bad("is infinite or not a number");
    float largest = 0;
    for (float x : numbers_) largest = std::max(largest, std::fabs(x));
    if (largest > encodable_range(*recipe_->target).most) return bad("is too large for scales in float16");
    seen_.note_largest(largest);
    recipe_->encode(numbers_.data(), recipe_->importance, use_.cols, to);
    return {};
  }

  void write_vector(const uint8_t* row, std::byte* out) {
    std::vector<float> values(use_.cols);
    widen_numbers(*use_.source->format, row, use_.cols, values.data());
    if (!use_.source->as_stored()) {
      for (float& x : values) x = x * use_.source->times + use_.source->plus;
    }
    for (uint32_t i = 0; i < use_.cols; ++i) memcpy(out + 4 * size_t(i), &values[source_index(use_, i)], 4);
  }

  const Gguf& gguf_;
  const TensorUse& use_;
  Seen& seen_;
  const Recipe* recipe_;  // null: moved as it is
  const FormatSpec& native_;
  uint32_t lanes_;
  ByteWindow window_;
  std::vector<uint8_t> rows_;  // of one strip, as they will be stored, where no window has them
  std::vector<float> numbers_;
};

}  // namespace

void WeightCopier::announce(SlmWriter& writer, fb::HeaderT& header) {
  for (const Part& part : model_.parts) {
    const uint32_t lanes = part.row_major ? 1 : kTileRows;
    ExtentSpec spec;
    spec.access = part.row_major ? fb::Access::GatherRows : part.access;
    spec.layer = part.layer;
    spec.interleaved = part.members.size() > 1;
    const uint32_t extent = uint32_t(&part - model_.parts.data());
    for (const TensorUse& use : part.members) {
      const FormatSpec& native = native_format(recipes_, use);
      const uint64_t bytes = strip_bytes(native, use.cols, lanes);
      SLUICE_CHECK(bytes <= kMaxChunkBytes);
      auto tensor = std::make_unique<fb::TensorT>();
      tensor->role = use.role;
      tensor->layer = use.layer;
      tensor->format = format_index(header, native);
      tensor->rows = use.rows;
      tensor->cols = use.cols;
      tensor->extent = extent;
      tensor->member = uint32_t(spec.members.size());
      tensor->source_name = use.source->name;
      tensor->row_order = use.order;
      spec.members.push_back(uint32_t(header.tensors.size()));
      spec.strip_bytes.push_back(uint32_t(bytes));
      spec.n_strips.push_back((use.rows + lanes - 1) / lanes);
      header.tensors.push_back(std::move(tensor));
      header.n_parameters += uint64_t(use.rows) * use.cols;
      total_bytes_ += bytes * spec.n_strips.back();
    }
    SLUICE_CHECK(writer.add_extent(spec) == extent);
  }
}

namespace {

// Memory that all workers together may take for chunks and what is read for them.
constexpr uint64_t kWorkerMemory = 48 << 20;
constexpr int kMostWorkers = 16;
constexpr int kWaiting = 4;         // workers besides those that compute: reading or writing
constexpr int kWritesInFlight = 2;  // one is on its way while the next is handed over

// Packs runs of chunks on several threads and writes them nearly in file order, so that no file system has to scatter
// them.
class CopyRun {
 public:
  CopyRun(const Gguf& gguf, const ModelDescription& model, const Recipes& recipes, SlmWriter& writer, uint64_t total,
          int n_threads, const std::function<bool(uint64_t, uint64_t)>& progress)
      : gguf_(gguf),
        model_(model),
        recipes_(recipes),
        writer_(writer),
        total_(total),
        n_threads_(n_threads),
        progress_(progress) {
    for (const Part& part : model.parts) seen_.push_back(std::make_unique<Seen[]>(part.members.size()));
  }

  Status run() {
    SLUICE_TRY(const auto pool, ThreadPool::create(n_workers()));
    pool->run([](void* self, int thread) { static_cast<CopyRun*>(self)->work(thread); }, this);
    if (no_memory_) throw std::bad_alloc();
    if (error_) return *error_;
    return tell() ? check_ranges() : cancelled();
  }

  // Numbers kept as they are that are none; the outputs of such a model are none either.
  std::string not_finite() const {
    uint64_t n = 0, n_tensors = 0;
    std::string first;
    each_tensor([&](const TensorUse& use, const Seen& seen) {
      if (seen.not_finite == 0) return;
      if (n == 0) first = use.source->title();
      n += seen.not_finite, ++n_tensors;
    });
    if (n == 0) return "";
    const std::string others = n_tensors == 1 ? "" : " and " + std::to_string(n_tensors - 1) + " more tensors";
    return "weights: " + std::to_string(n) + " of " + first + others +
           (n == 1 ? " is infinite or not a number" : " are infinite or not a number");
  }

 private:
  // A run of chunks of one extent.
  struct Place {
    uint32_t extent = 0, chunk = 0, n_chunks = 0;
    uint64_t turn = 0;
  };

  template <class Fn>
  void each_tensor(Fn fn) const {
    for (size_t p = 0; p < model_.parts.size(); ++p) {
      const std::vector<TensorUse>& members = model_.parts[p].members;
      for (size_t m = 0; m < members.size(); ++m) fn(members[m], seen_[p][m]);
    }
  }

  // Rows of tiny weights beside large ones lose nothing that counts; a tensor of nothing else would.
  Status check_ranges() const {
    Status status;
    each_tensor([&](const TensorUse& use, const Seen& seen) {
      const Recipe* recipe = find_recipe(recipes_, use);
      if (!status.ok() || !recipe || seen.largest == 0) return;
      if (seen.largest >= encodable_range(*recipe->target).least) return;
      status = make_error(Code::kBadModel, gguf_.file_of(*use.source).path(), use.source->offset,
                          "all weights of tensor %s are too small for scales in float16 (%g at most); it cannot be "
                          "quantized",
                          use.source->title().c_str(), double(seen.largest));
    });
    return status;
  }

  // What a worker holds for a part: a run of chunks, and for each tensor a window and a strip of rows, encoded and as
  // numbers.
  uint64_t worker_bytes(uint32_t extent) const {
    uint64_t bytes = std::max(writer_.contents(extent, 0).bytes, kRunBytes);
    for (const TensorUse& use : model_.parts[extent].members) {
      const uint64_t row = use.source->row_bytes();
      bytes += std::max<uint64_t>(2 * kReadWindow, 2 * row) + kTileRows * row + 4 * uint64_t(use.cols);
    }
    return bytes;
  }

  int n_workers() const {
    uint64_t most = 1;
    for (uint32_t e = 0; e < model_.parts.size(); ++e) most = std::max(most, worker_bytes(e));
    const int useful = std::clamp(n_threads_ > 0 ? n_threads_ : default_thread_count() + kWaiting, 1, kMostWorkers);
    return int(std::clamp<uint64_t>(kWorkerMemory / most, 1, uint64_t(useful)));
  }

  // Only bad_alloc could end a thread, and the one that called run() throws it again.
  void work(int thread) {
    try {
      if (const Status status = copy_chunks(thread); !status.ok()) stop(status.error());
    } catch (const std::bad_alloc&) {
      const std::lock_guard lock(mutex_);
      no_memory_ = true;
      stop_all();
    }
  }

  void stop(const Error& error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = error;
    stop_all();
  }

  void stop_all() {
    stopped_ = true;
    for (std::condition_variable& turn : turn_came_) turn.notify_all();
  }

  // The chunks from `first` on that are short enough for one run, and of one member.
  uint32_t run_length(uint32_t extent, uint32_t first) const {
    const uint32_t member = writer_.contents(extent, first).member;
    uint64_t bytes = 0;
    uint32_t n = 0;
    for (; first + n < writer_.n_chunks(extent); ++n) {
      const ChunkContents contents = writer_.contents(extent, first + n);
      bytes += round_up(contents.bytes, kSlmAlignment);
      if (n > 0 && (bytes > kRunBytes || contents.member != member)) break;
    }
    return n;
  }

  // The next run in file order; false when there is none left, or no reason to go on.
  bool take(Place& place) {
    const std::lock_guard lock(mutex_);
    while (next_.extent < model_.parts.size() && next_.chunk == writer_.n_chunks(next_.extent)) {
      ++next_.extent, next_.chunk = 0;
    }
    if (stopped_ || next_.extent == model_.parts.size()) return false;
    next_.n_chunks = run_length(next_.extent, next_.chunk);
    place = next_;
    next_.chunk += next_.n_chunks, ++next_.turn;
    return true;
  }

  Status copy_chunks(int thread) {
    Place place;
    uint32_t extent = ~0u;
    std::vector<StripSource> sources;
    Buffers buffers;
    PageBuffer run;
    run.reserve(kRunBytes);  // at once, like those of the windows: memory that grows leaves holes
    while (take(place)) {
      if (thread == 0 && !tell()) return cancelled();
      if (place.extent != extent) {
        extent = place.extent;
        const Part& part = model_.parts[extent];
        for (StripSource& source : sources) buffers.push_back(source.take_buffer());
        sources.clear();
        while (buffers.size() < part.members.size()) buffers.emplace_back().reserve(2 * kReadWindow);
        for (size_t m = 0; m < part.members.size(); ++m) {
          sources.emplace_back(gguf_, recipes_, part.members[m], part.row_major ? 1 : kTileRows, seen_[extent][m],
                               std::move(buffers.back()));
          buffers.pop_back();
        }
      }
      size_t padded = 0;
      uint64_t bytes = 0;
      SLUICE_DO(pack(sources, place, run, padded, bytes));
      if (!wait_for(place.turn)) return {};
      const std::span<const std::byte> data(run.data(), padded);
      SLUICE_DO(writer_.write_chunks(extent, place.chunk, place.n_chunks, data));
      done_ += bytes;
      const std::lock_guard lock(mutex_);
      ++n_written_;
      turn_came_[(n_written_ + kWritesInFlight - 1) % kMostWorkers].notify_one();
    }
    return {};
  }

  // Fills `run` with the chunks and their padding; `bytes` counts without it.
  Status pack(std::vector<StripSource>& sources, const Place& place, PageBuffer& run, size_t& padded, uint64_t& bytes) {
    uint32_t n_strips = 0;
    for (uint32_t c = place.chunk; c < place.chunk + place.n_chunks; ++c) {
      const ChunkContents contents = writer_.contents(place.extent, c);
      n_strips += contents.n_strips;
      padded += size_t(round_up(contents.bytes, kSlmAlignment));
    }
    run.reserve(padded);
    std::byte* out = run.data();
    const uint32_t first = writer_.contents(place.extent, place.chunk).first_strip;
    for (StripSource& source : sources) SLUICE_DO(source.load(first, n_strips));
    for (uint32_t c = place.chunk; c < place.chunk + place.n_chunks; ++c) {
      const ChunkContents contents = writer_.contents(place.extent, c);
      std::byte* const end = out + round_up(contents.bytes, kSlmAlignment);
      for (uint32_t s = contents.first_strip; s < contents.first_strip + contents.n_strips; ++s) {
        for (StripSource& source : sources) {
          SLUICE_DO(source.write_strip(s, out));
          out += source.strip_size();
        }
      }
      memset(out, 0, size_t(end - out));
      out = end;
      bytes += contents.bytes;
    }
    return {};
  }

  // At most kWritesInFlight - 1 of the runs before this one are still to be written. Nobody else waits for the same:
  // there are no more turns out than workers.
  bool wait_for(uint64_t turn) {
    std::unique_lock lock(mutex_);
    turn_came_[turn % kMostWorkers].wait(lock, [&] { return turn < n_written_ + kWritesInFlight || stopped_; });
    return !stopped_;
  }

  bool tell() { return !progress_ || progress_(done_, total_); }
  Error cancelled() const {
    return make_error(Code::kCancelled, gguf_.file().path(), kNoOffset, "the conversion was cancelled");
  }

  const Gguf& gguf_;
  const ModelDescription& model_;
  const Recipes& recipes_;
  SlmWriter& writer_;
  const uint64_t total_;
  const int n_threads_;
  const std::function<bool(uint64_t, uint64_t)>& progress_;
  std::atomic<uint64_t> done_ = 0;
  std::vector<std::unique_ptr<Seen[]>> seen_;  // by part and member

  std::mutex mutex_;                                 // guards what follows
  std::condition_variable turn_came_[kMostWorkers];  // by turn
  Place next_;
  uint64_t n_written_ = 0;  // runs
  bool stopped_ = false, no_memory_ = false;
  std::optional<Error> error_;
};

}  // namespace

Status WeightCopier::copy(SlmWriter& writer, int n_threads, const std::function<bool(uint64_t, uint64_t)>& progress,
                          const std::function<void(const std::string&)>& notice) {
  CopyRun run(gguf_, model_, recipes_, writer, total_bytes_, n_threads, progress);
  SLUICE_DO(run.run());
  if (const std::string line = run.not_finite(); !line.empty()) notice(line);
  return {};
}

}  // namespace sluice
