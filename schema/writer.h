// SPDX-License-Identifier: Apache-2.0
// Writes a .slm file chunk by chunk: first the extents are announced (which fixes every offset), then the chunks are
// written in any order, then the header, which lies behind the weights. Holds the chunk table and nothing else.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "schema/layout.h"

namespace sluice {

// What the writer needs to know of an extent; the number of chunks follows from it. `n_strips` and `strip_bytes` are
// per member. Several members must alternate (`interleaved`), except in an extent of an expert.
struct ExtentSpec {
  fb::Access access = fb::Access::Stream;
  int32_t layer = -1;
  int32_t expert = -1;
  std::vector<uint32_t> members;
  std::vector<uint32_t> strip_bytes;
  std::vector<uint32_t> n_strips;
  bool interleaved = false;
  uint8_t plane = 0;
};

class SlmWriter {
 public:
  // Announces an extent, in file order; returns its index. Before start().
  uint32_t add_extent(const ExtentSpec& spec);

  // Bytes before the header, once all extents are known.
  uint64_t weight_bytes() const { return weights_end_; }
  uint32_t n_chunks(uint32_t extent) const { return extents_[extent]->n_chunks; }
  ChunkContents contents(uint32_t extent, uint32_t chunk) const { return chunk_contents(shapes_[extent], chunk); }

  // Creates the output. `header_bytes_estimate`, better too large than too small, is for the check of the free space
  // and for memory that need not grow.
  Status start(const std::string& path, uint64_t header_bytes_estimate, PageCache cache = PageCache::kUse);

  // `chunk` counts from the extent's first; `data` is exactly contents(extent, chunk).bytes long. Once for each chunk;
  // from several threads.
  Status write_chunk(uint32_t extent, uint32_t chunk, std::span<const std::byte> data);

  // The same for a run of chunks, each followed by its padding: zeros up to the next multiple of kSlmAlignment.
  Status write_chunks(uint32_t extent, uint32_t first, uint32_t n, std::span<const std::byte> data);

  // Completes `header` (format_version, file_bytes, extents, chunks), writes it and the preamble, syncs and renames.
  // The caller has filled in everything else, including each tensor's extent and member.
  Status finish(fb::HeaderT header);

 private:
  void note_written(uint32_t extent, uint32_t chunk, std::span<const std::byte> data);

  OutputFile file_;
  std::vector<std::unique_ptr<fb::ExtentT>> extents_;
  std::vector<ExtentShape> shapes_;
  std::vector<fb::Chunk> chunks_;
  uint64_t weights_end_ = kSlmAlignment;
  uint64_t header_estimate_ = 0;
  std::atomic<size_t> n_written_ = 0;  // chunks
};

}  // namespace sluice
