// SPDX-License-Identifier: Apache-2.0
// The header of one .safetensors file: which tensors it has and where their bytes lie. Validated as the format's own
// rules ask: the tensors cover the data without overlap, hole or rest. Knows the container, no model.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace sluice {

// Everything a hostile file could exaggerate. Each limit is tested at its edge.
inline constexpr uint64_t kMaxSafetensorsHeader = 100'000'000;  // the format's own limit
inline constexpr size_t kMaxSafetensors = 65536;                // tensors of a file
inline constexpr size_t kMaxSafetensorsName = 1024;
inline constexpr size_t kMaxSafetensorsNames = 8 << 20;  // bytes of all names of a file, or of an index of files
inline constexpr uint32_t kMaxSafetensorsDims = 8;

struct SafeTensor {
  std::string name, dtype;  // "BF16"
  uint32_t n_dims = 0;
  uint64_t shape[kMaxSafetensorsDims] = {};  // as in the file: the last one is contiguous
  uint64_t described_at = 0;                 // offset of its entry
  uint64_t offset = 0, bytes = 0;            // of its data in the file

  std::string shape_text() const;  // "[1536, 576]"
};

// kBadModel with the offset and the reason for whatever is wrong.
Result<std::vector<SafeTensor>> read_safetensors(const InputFile& file);

}  // namespace sluice
