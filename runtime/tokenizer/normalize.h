// SPDX-License-Identifier: Apache-2.0
// What SentencePiece does to a text before it cuts it: the vocabulary's own character normalizations, spaces collapsed,
// one space before the text, and U+2581 for every space.
#pragma once
#include <string>
#include <string_view>

#include "base/result.h"
#include "schema/charsmap.h"
#include "schema/model_generated.h"

namespace sluice {

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

class Normalizer {
 public:
  // `vocab` must outlive it. kBadModel if its character map is broken.
  static Result<Normalizer> of(const fb::Vocab& vocab);

  // Writes the normalized form of `text`, valid UTF-8 like the text itself, into `out`; `space_prefix` puts a space
  // before it. Linear time.
  void normalize(std::string_view text, bool space_prefix, std::string& out) const;

 private:
  Charsmap map_;
  bool has_map_ = false, collapse_ = false;
};

}  // namespace sluice
