// SPDX-License-Identifier: Apache-2.0
// The worked example at the end of FORMAT.md.
#include <vector>

#include "schema/tile.h"
#include "support/catch.h"

namespace sluice {

TEST_CASE("the worked example of FORMAT.md is right") {
  // Row 2, inputs 0…63 of a q4_0 strip: d = 0.5 for the first group, 2 for the second; code of input k is k mod 16.
  const FormatSpec& q4_0 = *find_format("q4_0");
  std::vector<std::byte> block(576);
  put_d(q4_0, 16, block.data(), 2, 0, 0x3800);
  put_d(q4_0, 16, block.data(), 2, 1, 0x4000);
  for (uint32_t k = 0; k < 64; ++k) put_code(q4_0, 16, block.data(), 2, k, k % 16);
  const auto at = [&](size_t i) { return int(block[i]); };
  CHECK((at(4) == 0x00 && at(5) == 0x38));                                            // d, group 0
  CHECK((at(36) == 0x00 && at(37) == 0x40));                                          // d, group 1
  CHECK((at(72) == 0x00 && at(73) == 0x11 && at(74) == 0x22 && at(75) == 0x33));      // line 0
  CHECK((at(136) == 0x44 && at(137) == 0x55 && at(138) == 0x66 && at(139) == 0x77));  // line 1
  CHECK((at(520) == 0xcc && at(521) == 0xdd && at(522) == 0xee && at(523) == 0xff));  // line 7
  std::vector<float> out(64);
  dequantize_row(q4_0, 64, 16, 2, block.data(), out.data());
  CHECK(out[0] == -4.0f);
  CHECK(out[15] == 3.5f);
  CHECK(out[37] == -6.0f);
}

}  // namespace sluice
