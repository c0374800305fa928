// SPDX-License-Identifier: Apache-2.0
// A complete tiny model as a .slm file: two layers of width 64, 300 tokens, quantized matrices with a known pattern of
// bits. Deterministic, so that its bytes can be pinned and mutated.
#pragma once
#include <string>

#include "schema/writer.h"

namespace sluice {

struct TinyModel {
  bool tied = true;
  bool experts = false;  // layer 1 routes over 2 experts, with one shared
  bool head_order = false;
  bool planes = false;          // layout "planes": 2 high bits, the third bit, the rest
  const char* matrix = "q4_k";  // format of the matrices
};

// A header without extents and chunks, and the extents to announce for it.
struct TinyParts {
  fb::HeaderT header;
  std::vector<ExtentSpec> extents;
};
TinyParts tiny_parts(const TinyModel& model);

// Splits the formats and extents of a packed model into planes.
void split_into_planes(TinyParts& parts);

// Writes it to `path`.
Status write_tiny_model(const std::string& path, const TinyModel& model = {});

// A vocabulary of the 256 bytes, some merges, and special tokens.
std::unique_ptr<fb::VocabT> tiny_vocab();

}  // namespace sluice
