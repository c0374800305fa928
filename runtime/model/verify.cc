// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/verify.h"

#include <algorithm>

#include "base/hash.h"
#include "schema/text_order.h"

namespace sluice {
namespace {

// The name of a tensor that has bytes in this chunk, for messages.
std::string tensor_in_chunk(const Model& model, uint32_t chunk) {
  for (const fb::Extent* extent : *model.header().extents()) {
    if (chunk < extent->first_chunk() || chunk - extent->first_chunk() >= extent->n_chunks()) continue;
    std::string names;
    for (uint32_t member : *extent->members()) {
      const flatbuffers::String* name = model.tensor(member).source_name();
      names += (names.empty() ? "" : ", ") + (name ? name->str() : "tensor " + std::to_string(member));
    }
    return names;
  }
  return "no tensor";
}

}  // namespace

Status check_chunk(const Model& model, uint32_t index, std::span<const std::byte> data) {
  const fb::Chunk& chunk = *model.header().chunks()->Get(index);
  if (hash64(data) == chunk.hash()) return {};
  return make_error(Code::kBadModel, model.name(), chunk.offset(),
                    "the %u bytes of chunk %u (%s) do not have the hash that the header gives: the file is damaged",
                    chunk.bytes(), index, tensor_in_chunk(model, index).c_str());
}

Status verify_model(const Model& model, const Progress& progress) {
  SLUICE_DO(verify_text_order(model.file()));
  const auto* chunks = model.header().chunks();
  if (!chunks) return {};
  uint64_t total = 0, done = 0, largest = 0;
  for (const fb::Chunk* chunk : *chunks) {
    total += chunk->bytes();
    largest = std::max<uint64_t>(largest, chunk->bytes());
  }
  Accountant memory(0);
  SLUICE_TRY(Block buffer, memory.allocate(MemoryKind::kIo, std::max<uint64_t>(largest, 1)));
  for (uint32_t i = 0; i < chunks->size(); ++i) {
    const fb::Chunk& chunk = *chunks->Get(i);
    const std::span<std::byte> data = buffer.as<std::byte>().first(chunk.bytes());
    SLUICE_DO(model.source().read_at(chunk.offset(), data));
    SLUICE_DO(check_chunk(model, i, data));
    done += chunk.bytes();
    if (progress && !progress(done, total))
      return make_error(Code::kCancelled, model.name(), kNoOffset, "cancelled");
  }
  return {};
}

}  // namespace sluice
