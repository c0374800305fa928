// SPDX-License-Identifier: Apache-2.0
// The resident weights of an engine: chunks as they are in the file, norms and biases as float32, read by big
// positional reads, every hash checked on the way. Which chunks are resident can change; the list of chunk pointers,
// into which all matrices point, follows. Chunks that are not resident have a place in that list too: the weight stream
// fills it while they are in its window.
#pragma once
#include <memory>
#include <vector>

#include "backends/backend.h"
#include "base/accountant.h"
#include "base/thread_pool.h"
#include "runtime/weights/bulk_reader.h"
#include "runtime/weights/chunk_checks.h"
#include "runtime/weights/residence.h"

namespace sluice {

class WeightStore {
 public:
  // Norms and biases; no chunk is resident yet. kBadModel when they are damaged, kNoFit, kNoMemory.
  static Result<WeightStore> create(std::shared_ptr<const Model> model, std::shared_ptr<ChunkChecks> checks,
                                    const BulkReader& reader, Accountant& accountant);

  // Gives the memory of all resident chunks that are not wanted (by chunk) back to the system.
  Status drop_others(const std::vector<bool>& wanted);
  // Reads the chunks that are wanted and not resident. kBadModel at the first damaged one, kFailed, kCancelled, kNoFit,
  // kNoMemory: the others may be resident then.
  Status add(const std::vector<bool>& wanted, const BulkReader& reader, ThreadPool& pool, Accountant& accountant,
             const Progress& progress);
  // For an engine that is only timed: chunks that are not resident point to those that stand for them (by chunk, of
  // weight_sample), until the next change.
  void stand_in(const std::vector<uint32_t>& sample);
  // Bytes that these chunks take, or would take if they were resident, in whole pages.
  uint64_t bytes_of(const std::vector<bool>& wanted) const;

  // Views stay valid as long as the store.
  Matrix matrix(uint32_t tensor) const;
  const float* vector(uint32_t tensor) const;
  const WeightFormat* format(uint32_t tensor) const;

  const std::byte* resident_chunk(uint32_t chunk) const {  // null: not resident
    return resident_[chunk] ? place_[chunk] : nullptr;
  }
  std::span<const std::byte*> chunk_pointers() { return chunk_pointers_; }  // what the matrices point into

  // The longest run of resident weights, for measuring the memory they are read from.
  std::span<const std::byte> longest_run() const;

 private:
  // Memory in which chunks have their places, at most one place each; one that was given up is taken again.
  struct Region {
    Block memory;
    std::vector<Residence::Piece> pieces;
  };
  void make_formats();
  Status load_vectors(const BulkReader& reader, Accountant& accountant);
  Status make_region(const std::vector<bool>& wanted, Accountant& accountant);
  template <class Held>
  std::vector<ByteRange> runs(const Region& region, Held held) const;
  Status hold_resident(Region& region);
  std::vector<Residence::Piece> missing(const Region& region, const std::vector<bool>& wanted) const;
  void publish();

  std::shared_ptr<const Model> model_;
  std::shared_ptr<ChunkChecks> checks_;
  std::vector<Region> regions_;
  std::vector<std::byte*> place_;  // by chunk; null: none yet
  std::vector<bool> resident_;     // by chunk
  std::vector<uint64_t> vector_place_;
  Block vectors_;
  std::vector<WeightFormat> formats_;             // of the header, by index
  std::vector<const std::byte*> chunk_pointers_;  // by chunk; null: neither resident nor in a window
};

}  // namespace sluice
