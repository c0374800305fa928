// SPDX-License-Identifier: Apache-2.0
// The fixed numbers of a .slm file: preamble, alignment, limits, and where things lie inside a block, an extent and a
// chunk. Pure functions without files; FORMAT.md says the same in words.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "schema/model_generated.h"

namespace sluice {

// An empty vector or string of a header may be absent: its pointer is null then.
template <class T>
uint32_t size_of(const T* vector) {
  return vector == nullptr ? 0 : vector->size();
}

// ---- preamble ----------------------------------------------------------------------------------------------------

inline constexpr unsigned char kSlmMagic[8] = {'S', 'L', 'M', 0x01, '\r', '\n', 0x1a, '\n'};
inline constexpr uint32_t kSlmVersion = 1;
inline constexpr uint32_t kPreambleBytes = 64;
inline constexpr uint64_t kSlmAlignment = 4096;  // of chunks, of the header and of the file's size

// The first 64 bytes, little-endian. preamble_hash: XXH3-64 of the 56 bytes before it.
struct Preamble {
  unsigned char magic[8];
  uint32_t format_version;
  uint32_t preamble_bytes;
  uint64_t header_offset;
  uint64_t header_bytes;
  uint64_t header_hash;  // XXH3-64 of the header
  uint64_t file_bytes;
  uint64_t reserved;  // 0
  uint64_t preamble_hash;
};
static_assert(sizeof(Preamble) == kPreambleBytes);

// ---- limits ------------------------------------------------------------------------------------------------------

inline constexpr uint64_t kMaxHeaderBytes = uint64_t{512} << 20;
inline constexpr uint32_t kMaxFormats = 256;
inline constexpr uint32_t kMaxTensors = 65536;
inline constexpr uint32_t kMaxExtents = 65536;
inline constexpr uint32_t kMaxChunks = 16u << 20;
inline constexpr uint32_t kMaxChunkBytes = 256u << 20;
inline constexpr uint32_t kMaxVocab = 4u << 20;
inline constexpr uint32_t kMaxMerges = 16u << 20;
inline constexpr uint32_t kMaxLayers = 512;
inline constexpr uint32_t kMaxDimension = 1u << 24;  // rows and cols of any tensor
inline constexpr uint32_t kMaxHeads = 4096;
inline constexpr uint32_t kMaxHeadDim = 4096;
inline constexpr uint32_t kMaxExperts = 4096;
inline constexpr uint32_t kMaxContext = 1u << 30;
inline constexpr uint32_t kMaxRopes = 64;
inline constexpr double kMaxRopeFrequency = 256;  // radians per position: angles stay where cosines are exact to 1e-15
inline constexpr uint32_t kMaxTokenBytes = 64u << 10;
inline constexpr uint32_t kMaxUnigramBytes = 1024;  // a token of Unigram: each costs time at every character of a text
inline constexpr uint32_t kMaxCharsmapBytes = 4u << 20;
inline constexpr uint32_t kMaxReplacementBytes = 255;  // one character normalization's result
inline constexpr uint32_t kMaxTemplateBytes = 256u << 10;
inline constexpr uint32_t kMaxTemplates = 64;
inline constexpr uint32_t kMaxNameBytes = 4096;
inline constexpr uint32_t kMaxFeatures = 64;
inline constexpr uint32_t kMaxMembers = 8;  // of an extent
// For the FlatBuffers verifier. Tables: formats, tensors and extents, and room for layers, ropes, templates, adapters.
inline constexpr uint32_t kMaxTableDepth = 16;
inline constexpr uint32_t kMaxTables = kMaxFormats + kMaxTensors + kMaxExtents + 65536;

// ---- formats -----------------------------------------------------------------------------------------------------

inline constexpr uint32_t kTileRows = 16;  // rows of a strip; lanes of a tiled matrix

// How a matrix is stored, in plain fields (the same ones as fb::Format).
struct FormatSpec {
  fb::CodeKind code = fb::CodeKind::F32;
  fb::ScaleKind scale = fb::ScaleKind::None;
  uint8_t code_bits = 32;
  uint8_t zero_point = 0;
  uint32_t group_size = 0;
  uint32_t block_inputs = 1;
  uint32_t block_bytes = 64;  // of 16 rows
  bool has_table = false;
  int8_t table[16] = {};
  std::string name;
};

// Every block that version 1 defines, with its usual zero point or table; find one by name: "q2_0" "q4_0" "q4_1" "q5_0"
// "q5_1" "q8_0" "q2_k" "q3_k" "q4_k" "q5_k" "q6_k" "iq4_nl" "iq4_xs" "mxfp4" "nvfp4" "f32" "f16" "bf16".
const std::vector<FormatSpec>& known_formats();
const FormatSpec* find_format(std::string_view name);

// Byte offsets of the sections of a block of `lanes` rows (16 or 1). Sections that a format lacks have offset 0.
struct BlockLayout {
  uint32_t d = 0;      // F16, F16Min: f16 [group][lane]; Super kinds: f16 [lane]; E8M0: u8 [group][lane]
  uint32_t m = 0;      // F16Min: like d; Super6Min, Super4Min: dmin, f16 [lane]
  uint32_t sc_lo = 0;  // Super6Min, Super6: low 4 bits; Super8: int8 [group][lane]; Super4Min: sc and mn [group][lane]
  uint32_t mn_lo = 0;
  uint32_t sc_hi = 0;
  uint32_t mn_hi = 0;
  uint32_t codes = 0;       // low nibbles, low pairs, 8-bit codes, floats
  uint32_t high_codes = 0;  // bit 4, bits 4-5, or bit 2
  uint32_t block_bytes = 0;
};

// Bits of the first section of codes; what is left of code_bits is the second section.
uint32_t low_code_bits(const FormatSpec& spec);

// kBadModel unless version 1 of the tile defines this combination of fields (block_inputs, block_bytes included).
Status check_format(const FormatSpec& spec);

// For checked formats only.
BlockLayout block_layout(const FormatSpec& spec, uint32_t lanes);
uint64_t blocks_per_row(const FormatSpec& spec, uint32_t cols);
uint64_t strip_bytes(const FormatSpec& spec, uint32_t cols, uint32_t lanes);

// Norms, biases, sinks: one row of float32 by their role. A matrix may have one row and is none.
bool is_vector(fb::Role role);

// The planes of fb::Format for the packed layout: one entry per section of codes.
std::vector<fb::Plane> packed_planes(const FormatSpec& spec);

FormatSpec spec_of(const fb::Format& format);                        // an unchecked copy of the fields
std::unique_ptr<fb::FormatT> format_object(const FormatSpec& spec);  // packed layout

// ---- chunks ------------------------------------------------------------------------------------------------------

inline constexpr uint32_t kMinChunkBytes = 256u << 10;   // of a full chunk with more than one strip
inline constexpr uint32_t kGoodChunkBytes = 512u << 10;  // what the writer aims at
inline constexpr uint32_t kFullChunkBytes = 1u << 20;    // a matrix up to this size is one chunk

// Strips (tuples of strips, if interleaved) in every chunk but the last.
uint32_t chunking(uint64_t strip_tuple_bytes, uint32_t n_strips);

// A run of strips of one extent as its members see it. For an interleaved extent `n_strips` counts tuples.
struct ExtentShape {
  bool interleaved = false;
  uint32_t strips_per_chunk = 1;
  std::vector<uint32_t> strip_bytes;  // per member
  std::vector<uint32_t> n_strips;     // per member
};

// What one chunk of an extent holds. Interleaved: strips first_strip… of every member, side by side.
struct ChunkContents {
  uint32_t member = 0;  // 0 if interleaved
  uint32_t first_strip = 0;
  uint32_t n_strips = 0;
  uint64_t bytes = 0;
};
uint64_t chunk_count(const ExtentShape& shape);
ChunkContents chunk_contents(const ExtentShape& shape, uint32_t chunk);

// Where the strips of one member lie: strip s is in chunk first_chunk + s / strips_per_chunk (counted from the
// extent's first), at strip_offset + (s % strips_per_chunk) * strip_stride.
struct MemberPlace {
  uint32_t first_chunk = 0, n_chunks = 0;
  uint32_t n_strips = 0, strips_per_chunk = 1;
  uint32_t strip_bytes = 0, strip_stride = 0, strip_offset = 0;
};
MemberPlace member_place(const ExtentShape& shape, uint32_t member);

}  // namespace sluice
