// SPDX-License-Identifier: Apache-2.0
// The bytes of small files are pinned: a change of the format, of the writer's order or of its padding shows here. The
// header is pinned by meaning instead, because FlatBuffers versions may lay out the same tables differently.
#include "base/hash.h"
#include "slm_bytes.h"
#include "support/catch.h"

namespace sluice {

TEST_CASE("the weights of the tiny models lie in the file byte for byte as they always did") {
  const auto weights = [](const TinyModel& model) {
    const Bytes file = tiny_bytes(model);
    return hash64(std::span(file).subspan(4096, load<Preamble>(file, 0).header_offset - 4096));
  };
  CHECK(weights({}) == 0x7f9d6f8a30284379);
  CHECK(weights({false, true, true, false, "q5_0"}) == 0x7c3625c843925f58);
  CHECK(weights({true, true, false, true, "q6_k"}) == 0x139a9da3e5ababb2);
  CHECK(weights({true, false, false, true, "q3_k"}) == 0xb79672e7b6665a6e);
  CHECK(weights({true, false, false, false, "q2_k"}) == 0x615c460e8995f4b0);
  CHECK(weights({true, false, false, false, "iq4_xs"}) == 0x054be84d3d02568d);
  CHECK(weights({true, false, false, false, "mxfp4"}) == 0x1cf44bf9f6143a3d);
}

TEST_CASE("the preamble and the chunk table of the tiny model are the ones of version 1") {
  Bytes file = tiny_bytes({});
  const auto p = load<Preamble>(file, 0);
  CHECK(memcmp(file.data(), "SLM\x01\r\n\x1a\n\x01\0\0\0\x40\0\0\0", 16) == 0);
  CHECK(p.header_offset == 237568);
  CHECK(p.file_bytes == file.size());
  for (size_t i = sizeof p; i < 4096; ++i) REQUIRE(file[i] == std::byte{0});
  Accountant accountant(0);
  const SlmFile opened = open_bytes(file, accountant).value();
  const auto& chunks = *opened.header()->chunks();
  REQUIRE(chunks.size() == 24);
  CHECK(chunks.Get(0)->offset() == 4096);
  CHECK(chunks.Get(0)->bytes() == 19 * 1088);
  CHECK(chunks.Get(0)->hash() == 0x73b55332bc73aba3);
  CHECK(chunks.Get(1)->offset() == 4096 + 6 * 4096);
  CHECK(chunks.Get(1)->bytes() == 256);
}

}  // namespace sluice
