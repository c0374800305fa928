// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/json_writer.h"

#include "runtime/tokenizer/tokenizer.h"

namespace sluice {

// Bytes that are not UTF-8 (names in files may hold any) become U+FFFD.
void JsonWriter::quote(std::string_view text) {
  std::string whole;
  Utf8Stream stream;
  stream.append(text, whole);
  stream.finish(whole);
  constexpr const char* kHex = "0123456789abcdef";
  text_ += '"';
  for (const char c : whole) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text_ += '\\', text_ += c;
    } else if (c == '\n') {
      text_ += "\\n";
    } else if (byte < 0x20) {
      text_ += "\\u00", text_ += kHex[byte >> 4], text_ += kHex[byte & 15];
    } else {
      text_ += c;
    }
  }
  text_ += '"';
}

}  // namespace sluice
