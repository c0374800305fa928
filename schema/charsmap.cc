// SPDX-License-Identifier: Apache-2.0
// A unit of the double array (32 bits): bits 0-7 the label (with bit 31, which marks a unit that holds a value), bit 8
// whether a key ends here, bit 9 and up the offset to the children. A child lies where the parent's position plus
// offset meets its label by exclusive or; a key's value lies at label 0.
#include "schema/charsmap.h"

#include <cstring>

#include "schema/layout.h"

namespace sluice {
namespace {

constexpr uint32_t kValueBit = 1u << 31;

uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }
bool ends_key(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t label_of(uint32_t unit) { return unit & (kValueBit | 0xFF); }

Error bad(const char* reason) { return make_error(Code::kBadModel, "character map", kNoOffset, "%s", reason); }

}  // namespace

Result<Charsmap> Charsmap::of(std::string_view bytes) {
  Charsmap map;
  if (bytes.empty()) return map;
  uint32_t n = 0;
  if (bytes.size() > kMaxCharsmapBytes) return bad("it has more than 4 MiB");
  if (bytes.size() < sizeof n) return bad("it is too short for its double array's length");
  memcpy(&n, bytes.data(), sizeof n);
  bytes.remove_prefix(sizeof n);
  if (n == 0 || n % 4 != 0 || n > bytes.size()) return bad("its double array does not fit");
  map.units_ = bytes.substr(0, n);
  map.replacements_ = bytes.substr(n);
  if (!map.replacements_.empty() && map.replacements_.back() != '\0') return bad("its last replacement has no end");
  for (std::string_view rest = map.replacements_; !rest.empty();) {
    const size_t length = rest.find('\0');
    if (length > kMaxReplacementBytes) return bad("a replacement has more than 255 bytes");
    rest.remove_prefix(length + 1);
  }
  return map;
}

uint32_t Charsmap::unit(uint32_t i) const {
  uint32_t value = 0;
  if (i < units_.size() / 4) memcpy(&value, units_.data() + size_t(i) * 4, sizeof value);
  return value;
}

Charsmap::Found Charsmap::find(std::string_view text) const {
  Found found{0, {}};
  if (units_.empty()) return found;
  uint32_t at = offset_of(unit(0));
  for (size_t i = 0; i < text.size() && i < kMaxReplacementBytes; ++i) {
    const uint8_t byte = uint8_t(text[i]);
    at ^= byte;
    if (at >= units_.size() / 4 || label_of(unit(at)) != byte) break;
    const uint32_t here = unit(at);
    at ^= offset_of(here);
    if (!ends_key(here)) continue;
    const uint32_t value = unit(at) & ~kValueBit;
    if (value >= replacements_.size()) continue;
    found.length = i + 1;
    found.replacement = replacements_.substr(value, replacements_.find('\0', value) - value);
  }
  return found;
}

}  // namespace sluice
