// SPDX-License-Identifier: Apache-2.0
// The weights an engine computes with, all resident: chunks as they are in the file, norms and biases as float32. Loaded
// once by big positional reads, every hash checked on the way.
#pragma once
#include <memory>
#include <vector>

#include "backends/backend.h"
#include "base/accountant.h"
#include "base/thread_pool.h"
#include "runtime/model/verify.h"
#include "runtime/weights/residence.h"

namespace sluice {

class WeightStore {
 public:
  // `drop_cache`: the kernel may forget the file's pages once they were read, so that a strict budget holds for the page
  // cache too. kBadModel at the first damaged chunk, kCancelled, kNoFit, kNoMemory.
  static Result<WeightStore> load(std::shared_ptr<const Model> model, ThreadPool& pool, Accountant& accountant,
                                  bool drop_cache, const Progress& progress);

  // Views stay valid as long as the store. The tensor must be resident.
  Matrix matrix(uint32_t tensor) const;
  const float* vector(uint32_t tensor) const;
  const WeightFormat* format(uint32_t tensor) const;

  // All resident weights, for measuring the memory they are read from.
  std::span<const std::byte> bytes() const { return {weights_.data(), weights_.size()}; }

 private:
  void make_formats();
  void make_chunk_pointers();
  Status load_vectors(Accountant& accountant);

  std::shared_ptr<const Model> model_;
  Residence residence_;
  Block weights_, vectors_;
  std::vector<WeightFormat> formats_;            // of the header, by index
  std::vector<const std::byte*> chunk_pointers_;  // by chunk; null: not resident
};

}  // namespace sluice
