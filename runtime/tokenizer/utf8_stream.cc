// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "runtime/tokenizer/tokenizer.h"
#include "runtime/tokenizer/unicode.h"

namespace sluice {
namespace {

// Whether `bytes` (1 to 3, not a whole sequence) may still become one.
bool may_continue(std::string_view bytes) {
  uint8_t lead = uint8_t(bytes[0]);
  size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (bytes.size() >= wanted) return false;
  // The smallest and the largest continuation decide: some second bytes never fit their lead byte.
  for (char fill : {'\x80', '\xBF'}) {
    std::string whole(bytes);
    whole.resize(wanted, fill);
    if (utf8_length(whole) == wanted) return true;
  }
  return false;
}

}  // namespace

void Utf8Stream::append(std::string_view bytes, std::string& out) {
  for (char c : bytes) {
    if (n_held_ == 0 && uint8_t(c) < 0x80) {
      out += c;
      continue;
    }
    held_[n_held_++] = c;
    std::string_view held(held_, size_t(n_held_));
    if (utf8_length(held) == held.size()) {
      out += held;
      n_held_ = 0;
    } else if (!may_continue(held)) {
      // The byte that broke the sequence may begin the next one.
      append_utf8(kReplacement, out);
      bool alone = n_held_ == 1;
      n_held_ = 0;
      if (!alone) append(std::string_view(&c, 1), out);
    }
  }
}

void Utf8Stream::finish(std::string& out) {
  if (n_held_ > 0) append_utf8(kReplacement, out);
  n_held_ = 0;
}

}  // namespace sluice
