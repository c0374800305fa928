// SPDX-License-Identifier: Apache-2.0
// Is the look-up table from texts to tokens the one that FORMAT.md defines? Opening a file only checks that it stays
// inside the vocabulary: a wrong table gives wrong tokens, nothing worse, and comparing all texts would take longer than
// all other checks together.
#pragma once
#include "schema/reader.h"

namespace sluice {

// kBadModel with the token or bucket that is in the wrong place.
Status verify_text_order(const SlmFile& file);

}  // namespace sluice
