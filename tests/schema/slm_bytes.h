// SPDX-License-Identifier: Apache-2.0
// A .slm file as bytes in memory, to be changed and signed again.
#pragma once
#include <cstring>
#include <memory>
#include <vector>

#include "schema/reader.h"
#include "tiny_model.h"

namespace sluice {

using Bytes = std::vector<std::byte>;

template <class T>
T load(const Bytes& file, size_t at) {
  T value;
  memcpy(&value, file.data() + at, sizeof value);
  return value;
}

template <class T>
void store(Bytes& file, size_t at, T value) {
  memcpy(file.data() + at, &value, sizeof value);
}

// The file that write_tiny_model() writes.
Bytes tiny_bytes(const TinyModel& model);

void sign_preamble(Bytes& file);
// Signs as much of the header as the preamble says lies inside the file.
void sign(Bytes& file);
// Puts `header` in the place of the file's header, with the right length, size and hashes.
void replace_header(Bytes& file, fb::HeaderT& header);

// Opens `file`, under the name "mutant.slm", which must stay as long as what is opened.
Result<SlmFile> open_bytes(Bytes& file, Accountant& accountant);

}  // namespace sluice
