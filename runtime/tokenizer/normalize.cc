// SPDX-License-Identifier: Apache-2.0
#include "runtime/tokenizer/normalize.h"

#include <algorithm>

#include "runtime/tokenizer/unicode.h"

namespace sluice {

Result<Normalizer> Normalizer::of(const fb::Vocab& vocab) {
  Normalizer n;
  n.collapse_ = vocab.collapse_spaces();
  n.has_map_ = vocab.charsmap() && vocab.charsmap()->size() > 0;
  if (n.has_map_) {
    const char* bytes = reinterpret_cast<const char*>(vocab.charsmap()->data());
    SLUICE_TRY(n.map_, Charsmap::of({bytes, vocab.charsmap()->size()}));
  }
  return n;
}

void Normalizer::normalize(std::string_view text, bool space_prefix, std::string& out) const {
  out.clear();
  bool started = false, after_space = collapse_;  // a space here would be the first one, or follow another one
  while (!text.empty()) {
    auto [length, piece] = map_.find(text);
    if (length == 0) {
      length = std::max(utf8_length(text), size_t{1});  // a key may end inside a character
      piece = text.substr(0, length);
    }
    text.remove_prefix(length);
    while (after_space && piece.substr(0, 1) == " ") piece.remove_prefix(1);
    if (piece.empty()) continue;
    if (!started && space_prefix) out += kSpaceMark;
    started = true;
    for (char c : piece) c == ' ' ? void(out += kSpaceMark) : void(out += c);
    after_space = collapse_ && piece.back() == ' ';
  }
  while (collapse_ && std::string_view(out).ends_with(kSpaceMark)) out.resize(out.size() - kSpaceMark.size());
  std::string repaired;
  if (has_map_ && valid_utf8(out, repaired).data() != out.data()) out.swap(repaired);
}

}  // namespace sluice
