// SPDX-License-Identifier: Apache-2.0
#include "schema/layout.h"

#include <numeric>

#include "support/catch.h"

namespace sluice {

TEST_CASE("blocks have the lengths that FORMAT.md tabulates, and a row-major block a sixteenth of it") {
  for (const FormatSpec& spec : known_formats()) {
    INFO(spec.name);
    CHECK(check_format(spec).ok());
    CHECK(block_layout(spec, 16).block_bytes == spec.block_bytes);
    CHECK(block_layout(spec, 1).block_bytes == spec.block_bytes / 16);
  }
  CHECK(find_format("q4_k")->block_bytes == 2304);
  CHECK(find_format("q6_k")->block_bytes == 3392);
  CHECK(find_format("q5_1")->block_bytes == 768);
  CHECK(find_format("q2_k")->block_bytes == 1344);
  CHECK(find_format("q3_k")->block_bytes == 1792);
  CHECK(find_format("iq4_xs")->block_bytes == 2176);
  CHECK(find_format("mxfp4")->block_bytes == 1088);
  CHECK(find_format("nvfp4")->block_bytes == 640);
  CHECK(find_format("q2_0")->block_bytes == 320);
  CHECK(find_format("no such") == nullptr);
}

TEST_CASE("codes of every format begin at a whole line of 64 bytes") {
  for (const FormatSpec& spec : known_formats()) {
    INFO(spec.name);
    CHECK(block_layout(spec, 16).codes % 64 == 0);
    CHECK(block_layout(spec, 16).high_codes % 64 == 0);
    if (spec.code_bits <= 8) CHECK(spec.block_bytes % 64 == 0);
  }
}

TEST_CASE("a strip is as many blocks as its inputs need") {
  const FormatSpec& q4_0 = *find_format("q4_0");
  CHECK(strip_bytes(q4_0, 1, 16) == 576);
  CHECK(strip_bytes(q4_0, 64, 16) == 576);
  CHECK(strip_bytes(q4_0, 65, 16) == 2 * 576);
  CHECK(strip_bytes(q4_0, 128, 1) == 72);
  CHECK(strip_bytes(*find_format("f32"), 3, 16) == 192);
  CHECK(strip_bytes(*find_format("f32"), kMaxDimension, 16) == uint64_t{1} << 30);
}

TEST_CASE("formats that differ from a known block in one field are refused") {
  const auto refused = [](auto change) {
    FormatSpec spec = *find_format("q4_k");
    change(spec);
    return !check_format(spec).ok();
  };
  CHECK_FALSE(refused([](FormatSpec& s) { s.name = "anything"; }));
  CHECK_FALSE(refused([](FormatSpec& s) { s.zero_point = 15; }));
  CHECK(refused([](FormatSpec& s) { s.zero_point = 16; }));
  CHECK(refused([](FormatSpec& s) { s.block_bytes += 1; }));
  CHECK(refused([](FormatSpec& s) { s.block_inputs = 0; }));
  CHECK(refused([](FormatSpec& s) { s.group_size = 16; }));
  CHECK(refused([](FormatSpec& s) { s.code_bits = 5; }));
  CHECK(refused([](FormatSpec& s) { s.scale = fb::ScaleKind(200); }));
  CHECK(refused([](FormatSpec& s) { s.code = fb::CodeKind(200); }));
  CHECK(refused([](FormatSpec& s) { s.has_table = true, s.zero_point = 1; }));
  FormatSpec q3 = *find_format("q3_k");
  q3.zero_point = 7;
  CHECK(check_format(q3).ok());
  q3.zero_point = 8;
  CHECK_FALSE(check_format(q3).ok());
  FormatSpec mx = *find_format("mxfp4");
  mx.block_inputs = 64;
  mx.block_bytes = 544;
  CHECK_FALSE(check_format(mx).ok());
  FormatSpec q8 = *find_format("q8_0"), q5 = *find_format("q5_0");
  q8.zero_point = 1;
  CHECK_FALSE(check_format(q8).ok());
  q5.has_table = true;
  q5.zero_point = 0;
  CHECK_FALSE(check_format(q5).ok());
}

TEST_CASE("full chunks have 256 KiB to 1 MiB or one strip, and every strip is in exactly one chunk") {
  for (const uint64_t tuple : {64ull, 4096ull, 100000ull, 262143ull, 300000ull, 524288ull, 524289ull, 5000000ull}) {
    for (const uint32_t strips : {1u, 2u, 3u, 7u, 100u, 9000u}) {
      const uint32_t per_chunk = chunking(tuple, strips);
      INFO(tuple << " bytes, " << strips << " strips, " << per_chunk << " per chunk");
      REQUIRE(per_chunk >= 1);
      REQUIRE(per_chunk <= strips);
      if (per_chunk > 1) CHECK(per_chunk * tuple <= kFullChunkBytes);
      if (per_chunk > 1 && strips > per_chunk) CHECK(per_chunk * tuple >= kMinChunkBytes);
      const ExtentShape shape{false, per_chunk, {uint32_t(tuple)}, {strips}};
      uint32_t next = 0;
      for (uint32_t c = 0; c < chunk_count(shape); ++c) {
        const ChunkContents contents = chunk_contents(shape, c);
        REQUIRE(contents.first_strip == next);
        REQUIRE(contents.bytes == contents.n_strips * tuple);
        next += contents.n_strips;
      }
      CHECK(next == strips);
    }
  }
}

TEST_CASE("members that alternate share a stride, members of an expert follow each other in chunks of their own") {
  const ExtentShape pair{true, 3, {100, 50}, {8, 8}};
  CHECK(chunk_count(pair) == 3);
  CHECK(chunk_contents(pair, 2).bytes == 2 * 150);
  const MemberPlace up = member_place(pair, 1);
  CHECK(up.strip_stride == 150);
  CHECK(up.strip_offset == 100);
  CHECK(up.first_chunk == 0);
  CHECK(up.n_chunks == 3);

  const ExtentShape expert{false, 4, {100, 100, 30}, {8, 8, 5}};
  CHECK(chunk_count(expert) == 6);
  const ChunkContents last = chunk_contents(expert, 5);
  CHECK(last.member == 2);
  CHECK(last.first_strip == 4);
  CHECK(last.n_strips == 1);
  CHECK(last.bytes == 30);
  const MemberPlace down = member_place(expert, 2);
  CHECK(down.first_chunk == 4);
  CHECK(down.strip_stride == 30);
  CHECK(down.strip_offset == 0);
}

}  // namespace sluice
