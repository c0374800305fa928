// SPDX-License-Identifier: Apache-2.0
#include "schema/layout.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace sluice {

using fb::CodeKind;
using fb::ScaleKind;

namespace {

constexpr int8_t kIq4Table[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr int8_t kFp4Table[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};  // E2M1, doubled

FormatSpec quantized(const char* name, ScaleKind scale, uint8_t bits, uint8_t zero_point, uint32_t group_size,
                     uint32_t block_inputs, uint32_t block_bytes) {
  FormatSpec s;
  s.code = bits == 8 ? CodeKind::Int8 : CodeKind::Unsigned;
  s.scale = scale;
  s.code_bits = bits;
  s.zero_point = zero_point;
  s.group_size = group_size;
  s.block_inputs = block_inputs;
  s.block_bytes = block_bytes;
  s.name = name;
  return s;
}

FormatSpec with_table(FormatSpec s, const int8_t (&table)[16]) {
  s.has_table = true;
  std::copy(std::begin(table), std::end(table), s.table);
  return s;
}

FormatSpec floats(const char* name, CodeKind code, uint8_t bits) {
  FormatSpec s;
  s.code = code;
  s.code_bits = bits;
  s.block_bytes = bits / 8u * kTileRows;
  s.name = name;
  return s;
}

// Bytes of the section that holds `bits` bits of every code of a block of 16 rows.
uint32_t section_bytes(const FormatSpec& spec, uint32_t bits) { return spec.block_inputs * bits * kTileRows / 8; }

}  // namespace

const std::vector<FormatSpec>& known_formats() {
  using S = ScaleKind;
  static const std::vector<FormatSpec> formats = {
      floats("f32", CodeKind::F32, 32),
      floats("f16", CodeKind::F16, 16),
      floats("bf16", CodeKind::BF16, 16),
      quantized("q8_0", S::F16, 8, 0, 32, 64, 1088),
      quantized("q2_0", S::F16, 2, 1, 32, 64, 320),
      quantized("q4_0", S::F16, 4, 8, 32, 64, 576),
      quantized("q4_1", S::F16Min, 4, 0, 32, 64, 640),
      quantized("q5_0", S::F16, 5, 16, 32, 64, 704),
      quantized("q5_1", S::F16Min, 5, 0, 32, 64, 768),
      quantized("q2_k", S::Super4Min, 2, 0, 16, 256, 1344),
      quantized("q3_k", S::Super6, 3, 4, 16, 256, 1792),
      quantized("q4_k", S::Super6Min, 4, 0, 32, 256, 2304),
      quantized("q5_k", S::Super6Min, 5, 0, 32, 256, 2816),
      quantized("q6_k", S::Super8, 6, 32, 16, 256, 3392),
      with_table(quantized("iq4_nl", S::F16, 4, 0, 32, 64, 576), kIq4Table),
      with_table(quantized("iq4_xs", S::Super6, 4, 0, 32, 256, 2176), kIq4Table),
      with_table(quantized("nvfp4", S::F16, 4, 0, 16, 64, 640), kFp4Table),
      with_table(quantized("mxfp4", S::E8M0, 4, 0, 32, 128, 1088), kFp4Table),
  };
  return formats;
}

const FormatSpec* find_format(std::string_view name) {
  for (const FormatSpec& spec : known_formats()) {
    if (spec.name == name) return &spec;
  }
  return nullptr;
}

Status check_format(const FormatSpec& spec) {
  // The names are for people; what counts is that the other fields are those of a block that the tile defines.
  const auto same_block = [&](const FormatSpec& known) {
    return spec.code == known.code && spec.scale == known.scale && spec.code_bits == known.code_bits &&
           spec.group_size == known.group_size && spec.block_inputs == known.block_inputs &&
           spec.block_bytes == known.block_bytes;
  };
  const auto& known = known_formats();
  if (std::none_of(known.begin(), known.end(), same_block)) {
    return make_error(
        Code::kBadModel, "", kNoOffset,
        "code kind %d with %d bits, scale kind %d per %u inputs in blocks of %u inputs and %u bytes is not "
        "a block that this program knows",
        int(spec.code), int(spec.code_bits), int(spec.scale), spec.group_size, spec.block_inputs, spec.block_bytes);
  }
  const bool centered = spec.code == CodeKind::Unsigned && !spec.has_table;
  if (spec.zero_point != 0 && (!centered || spec.zero_point >= (1u << spec.code_bits))) {
    return make_error(Code::kBadModel, "", kNoOffset, "zero point %d does not suit %d-bit codes%s", spec.zero_point,
                      spec.code_bits, spec.has_table ? " with a table" : "");
  }
  if (spec.has_table && (spec.code != CodeKind::Unsigned || spec.code_bits != 4)) {
    return make_error(Code::kBadModel, "", kNoOffset, "a table needs 4-bit codes, these have %d bits", spec.code_bits);
  }
  return {};
}

uint32_t low_code_bits(const FormatSpec& spec) {
  if (spec.code != CodeKind::Unsigned) return spec.code_bits;
  return spec.code_bits < 4 ? 2 : 4;
}

BlockLayout block_layout(const FormatSpec& spec, uint32_t lanes) {
  BlockLayout at;
  uint32_t end = 0;
  const auto section = [&](uint32_t& offset, uint32_t bytes_per_lane) {
    offset = end;
    end += bytes_per_lane * lanes;
  };
  const uint32_t groups = spec.group_size == 0 ? 0 : spec.block_inputs / spec.group_size;
  switch (spec.scale) {
    case ScaleKind::F16:
      section(at.d, 2 * groups);
      break;
    case ScaleKind::F16Min:
      section(at.d, 2 * groups);
      section(at.m, 2 * groups);
      break;
    case ScaleKind::Super6Min:
      section(at.d, 2);
      section(at.m, 2);
      section(at.sc_lo, 4);
      section(at.mn_lo, 4);
      section(at.sc_hi, 2);
      section(at.mn_hi, 2);
      break;
    case ScaleKind::Super8:
      section(at.d, 4);  // 2 and a pad of 2
      section(at.sc_lo, groups);
      break;
    case ScaleKind::Super6:
      section(at.d, groups == 16 ? 4 : 2);  // with 16 sub-blocks a pad of 2, so that the codes begin at a whole line
      section(at.sc_lo, groups / 2);
      section(at.sc_hi, groups / 4);
      break;
    case ScaleKind::Super4Min:
      section(at.d, 2);
      section(at.m, 2);
      section(at.sc_lo, groups);
      break;
    case ScaleKind::E8M0:
      section(at.d, groups);
      break;
    default:
      break;
  }
  const uint32_t low_bits = low_code_bits(spec);
  section(at.codes, section_bytes(spec, low_bits) / kTileRows);
  if (spec.code_bits > low_bits) {
    section(at.high_codes, section_bytes(spec, spec.code_bits - low_bits) / kTileRows);
  }
  at.block_bytes = end;
  return at;
}

uint64_t blocks_per_row(const FormatSpec& spec, uint32_t cols) {
  return (uint64_t{cols} + spec.block_inputs - 1) / spec.block_inputs;
}

uint64_t strip_bytes(const FormatSpec& spec, uint32_t cols, uint32_t lanes) {
  return blocks_per_row(spec, cols) * (spec.block_bytes / kTileRows) * lanes;
}

std::vector<fb::Plane> packed_planes(const FormatSpec& spec) {
  const BlockLayout at = block_layout(spec, kTileRows);
  const uint8_t low_bits = uint8_t(low_code_bits(spec));
  std::vector<fb::Plane> planes;
  planes.emplace_back(low_bits, uint8_t{0}, true, at.codes, section_bytes(spec, low_bits));
  if (spec.code_bits > low_bits) {
    const uint8_t high_bits = uint8_t(spec.code_bits - low_bits);
    planes.emplace_back(high_bits, low_bits, true, at.high_codes, section_bytes(spec, high_bits));
  }
  return planes;
}

FormatSpec spec_of(const fb::Format& format) {
  FormatSpec spec;
  spec.code = format.code();
  spec.scale = format.scale();
  spec.code_bits = format.code_bits();
  spec.zero_point = format.zero_point();
  spec.group_size = format.group_size();
  spec.block_inputs = format.block_inputs();
  spec.block_bytes = format.block_bytes();
  if (const auto* table = format.table(); table != nullptr && table->size() != 0) {
    spec.has_table = true;
    std::copy_n(table->data(), std::min<size_t>(table->size(), sizeof spec.table), spec.table);
  }
  if (format.name() != nullptr) spec.name.assign(format.name()->data(), format.name()->size());
  return spec;
}

std::unique_ptr<fb::FormatT> format_object(const FormatSpec& spec) {
  auto format = std::make_unique<fb::FormatT>();
  format->code = spec.code;
  format->scale = spec.scale;
  format->code_bits = spec.code_bits;
  format->zero_point = spec.zero_point;
  format->group_size = spec.group_size;
  format->block_inputs = spec.block_inputs;
  format->block_bytes = spec.block_bytes;
  format->planes = packed_planes(spec);
  if (spec.has_table) format->table.assign(spec.table, spec.table + 16);
  format->name = spec.name;
  return format;
}

// ---- chunks ------------------------------------------------------------------------------------------------------

uint32_t chunking(uint64_t strip_tuple_bytes, uint32_t n_strips) {
  SLUICE_CHECK(strip_tuple_bytes > 0);
  if (strip_tuple_bytes * n_strips <= kFullChunkBytes) return std::max(1u, n_strips);
  return uint32_t(std::max<uint64_t>(1, kGoodChunkBytes / strip_tuple_bytes));
}

namespace {

uint32_t chunks_of(const ExtentShape& shape, uint32_t member) {
  return (shape.n_strips[member] + shape.strips_per_chunk - 1) / shape.strips_per_chunk;
}

uint32_t tuple_bytes(const ExtentShape& shape) {
  uint32_t sum = 0;
  for (uint32_t bytes : shape.strip_bytes) sum += bytes;
  return sum;
}

}  // namespace

uint64_t chunk_count(const ExtentShape& shape) {
  if (shape.interleaved) return chunks_of(shape, 0);
  uint64_t count = 0;
  for (uint32_t m = 0; m < shape.n_strips.size(); ++m) count += chunks_of(shape, m);
  return count;
}

ChunkContents chunk_contents(const ExtentShape& shape, uint32_t chunk) {
  ChunkContents c;
  while (!shape.interleaved && chunk >= chunks_of(shape, c.member)) chunk -= chunks_of(shape, c.member++);
  c.first_strip = chunk * shape.strips_per_chunk;
  c.n_strips = std::min(shape.strips_per_chunk, shape.n_strips[c.member] - c.first_strip);
  c.bytes = uint64_t{c.n_strips} * (shape.interleaved ? tuple_bytes(shape) : shape.strip_bytes[c.member]);
  return c;
}

MemberPlace member_place(const ExtentShape& shape, uint32_t member) {
  MemberPlace p;
  p.n_strips = shape.n_strips[member];
  p.n_chunks = chunks_of(shape, member);
  p.strips_per_chunk = shape.strips_per_chunk;
  p.strip_bytes = shape.strip_bytes[member];
  p.strip_stride = shape.interleaved ? tuple_bytes(shape) : p.strip_bytes;
  for (uint32_t m = 0; m < member; ++m) {
    if (shape.interleaved) {
      p.strip_offset += shape.strip_bytes[m];
    } else {
      p.first_chunk += chunks_of(shape, m);
    }
  }
  return p;
}

}  // namespace sluice
