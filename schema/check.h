// SPDX-License-Identifier: Apache-2.0
// The semantic check of a header that the FlatBuffers verifier has accepted: after it, every index, size, offset and
// table of the file may be used without another look. Private to this room; reader.cc calls it.
#pragma once
#include <cstdint>
#include <string>

#include "base/result.h"
#include "schema/layout.h"

namespace sluice {

// What is being checked, and how to refuse it.
struct HeaderCheck {
  const fb::Header& header;
  const Preamble& preamble;
  const std::string& file;

  Error refuse(const char* format, ...) const __attribute__((format(printf, 2, 3)));
};

// The FlatBuffers verifier aligns a vector's length but not its elements.
template <class T>
bool is_aligned(const flatbuffers::Vector<T>* vector) {
  constexpr uintptr_t alignment = 8;  // the most that any element of the header needs
  return vector == nullptr || reinterpret_cast<uintptr_t>(vector->Data()) % alignment == 0;
}

// Formats, tensors, extents and chunks against each other and the file's size.
Status check_weights(const HeaderCheck& check);
// Config, and that the tensors are the ones it needs, with the right shapes.
Status check_model(const HeaderCheck& check);
Status check_vocab(const HeaderCheck& check);

}  // namespace sluice
