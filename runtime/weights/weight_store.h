// SPDX-License-Identifier: Apache-2.0
// The resident weights of an engine: chunks as they are in the file, norms and biases as float32. Loaded once by big
// positional reads, every hash checked on the way. Chunks that are not resident have a place in the list of chunk
// pointers too: the weight stream fills it while they are in its window.
#pragma once
#include <memory>
#include <vector>

#include "backends/backend.h"
#include "base/accountant.h"
#include "base/thread_pool.h"
#include "runtime/model/verify.h"
#include "runtime/weights/bulk_reader.h"
#include "runtime/weights/residence.h"

namespace sluice {

class WeightStore {
 public:
  // kBadModel at the first damaged chunk, kCancelled, kNoFit, kNoMemory.
  static Result<WeightStore> load(std::shared_ptr<const Model> model, Residence residence, const BulkReader& reader,
                                  ThreadPool& pool, Accountant& accountant, const Progress& progress);

  // Views stay valid as long as the store.
  Matrix matrix(uint32_t tensor) const;
  const float* vector(uint32_t tensor) const;
  const WeightFormat* format(uint32_t tensor) const;

  const std::byte* resident_chunk(uint32_t chunk) const {  // null: not resident
    const uint64_t place = residence_.chunk_place[chunk];
    return place == kNotResident ? nullptr : weights_.data() + place;
  }
  std::span<const std::byte*> chunk_pointers() { return chunk_pointers_; }  // what the matrices point into

  // All resident weights, for measuring the memory they are read from.
  std::span<const std::byte> bytes() const { return {weights_.data(), weights_.size()}; }

 private:
  void make_formats();
  void make_chunk_pointers();
  Status load_vectors(const BulkReader& reader, Accountant& accountant);

  std::shared_ptr<const Model> model_;
  Residence residence_;
  Block weights_, vectors_;
  std::vector<WeightFormat> formats_;             // of the header, by index
  std::vector<const std::byte*> chunk_pointers_;  // by chunk; null: neither resident nor in a window
};

}  // namespace sluice
