// SPDX-License-Identifier: Apache-2.0
// The table of character normalizations that SentencePiece vocabularies carry (Vocab.charsmap): a double array whose
// keys are byte strings, and the texts that take their place. The layout is that of SentencePiece's own files.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace sluice {

class Charsmap {
 public:
  Charsmap() = default;  // replaces nothing
  // kBadModel if the parts do not fit into the bytes or a replacement has no end or is too long. The double array may
  // hold anything: find() stays inside it. `bytes` must outlive the map.
  static Result<Charsmap> of(std::string_view bytes);

  struct Found {
    size_t length;  // of the longest prefix of the text that is a key; 0: none is
    std::string_view replacement;
  };
  Found find(std::string_view text) const;

 private:
  uint32_t unit(uint32_t i) const;

  std::string_view units_, replacements_;
};

}  // namespace sluice
