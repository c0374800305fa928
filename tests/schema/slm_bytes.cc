// SPDX-License-Identifier: Apache-2.0
#include "slm_bytes.h"

#include "base/checked.h"
#include "base/hash.h"
#include "support/catch.h"
#include "support/temporary_folder.h"

namespace sluice {

Bytes tiny_bytes(const TinyModel& model) {
  TemporaryFolder folder;
  REQUIRE(write_tiny_model(folder / "m.slm", model).ok());
  const std::string text = *read_small_file(folder / "m.slm", 1 << 24);
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void sign_preamble(Bytes& file) {
  store(file, offsetof(Preamble, preamble_hash), hash64(std::span(file).first(offsetof(Preamble, preamble_hash))));
}

void sign(Bytes& file) {
  const auto p = load<Preamble>(file, 0);
  if (p.header_offset <= file.size() && p.header_bytes <= file.size() - p.header_offset) {
    store(file, offsetof(Preamble, header_hash), hash64(std::span(file).subspan(p.header_offset, p.header_bytes)));
  }
  sign_preamble(file);
}

void replace_header(Bytes& file, fb::HeaderT& header) {
  const uint64_t at = load<Preamble>(file, 0).header_offset;
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(fb::Header::Pack(builder, &header), fb::HeaderIdentifier());
  const uint64_t n = builder.GetSize(), file_bytes = round_up(at + n, kSlmAlignment);
  if (header.file_bytes != 0 && header.file_bytes != file_bytes) {  // its own length depends only on being there
    header.file_bytes = file_bytes;
    return replace_header(file, header);
  }
  file.resize(file_bytes);
  memcpy(file.data() + at, builder.GetBufferPointer(), n);
  store(file, offsetof(Preamble, header_bytes), n);
  store(file, offsetof(Preamble, file_bytes), file_bytes);
  sign(file);
}

Result<SlmFile> open_bytes(Bytes& file, Accountant& accountant) {
  const auto read = [](void* user, uint64_t offset, void* out, size_t n) {
    memcpy(out, static_cast<const Bytes*>(user)->data() + offset, n);
    return true;
  };
  return open_slm(std::make_shared<CallbackSource>("mutant.slm", file.size(), read, &file), accountant);
}

}  // namespace sluice
