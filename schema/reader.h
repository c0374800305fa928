// SPDX-License-Identifier: Apache-2.0
// Opens a .slm file: preamble, hash, FlatBuffers verifier, semantic check. What open_slm() returns may be used without
// further checks; the weights themselves stay where they are and are read chunk by chunk.
#pragma once
#include <cstdint>
#include <memory>
#include <span>

#include "base/accountant.h"
#include "base/result.h"
#include "base/source.h"
#include "schema/layout.h"

namespace sluice {

// Immutable; the header's memory (MemoryKind::kHeader) belongs to it.
class SlmFile {
 public:
  const fb::Header* header() const { return header_; }
  const Preamble& preamble() const { return preamble_; }
  const std::shared_ptr<const ByteSource>& source() const { return source_; }

  // Reads one chunk (out.size() must be the chunk's `bytes`) and compares its hash: kBadModel with the chunk's offset.
  Status read_chunk(uint32_t chunk, std::span<std::byte> out) const;

 private:
  friend Result<SlmFile> open_slm(std::shared_ptr<const ByteSource> source, Accountant& accountant);
  std::shared_ptr<const ByteSource> source_;
  Block memory_;
  Preamble preamble_ = {};
  const fb::Header* header_ = nullptr;
};

// Every refusal of the contents is kBadModel, with the file's name, the offset of the part it is about and the reason.
Result<SlmFile> open_slm(std::shared_ptr<const ByteSource> source, Accountant& accountant);

// A tensor's chunks as its members' shape sees them; for checked headers (members' indexes must be valid).
ExtentShape shape_of(const fb::Header& header, const fb::Extent& extent);

// kBadModel if `out` is not what the chunk table says.
Status verify_chunk(const SlmFile& file, uint32_t chunk, std::span<const std::byte> bytes);

}  // namespace sluice
