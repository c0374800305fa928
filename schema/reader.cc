// SPDX-License-Identifier: Apache-2.0
#include "schema/reader.h"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/checked.h"
#include "base/hash.h"
#include "schema/check.h"

namespace sluice {

namespace {

Status check_preamble(const Preamble& p, const ByteSource& source) {
  const auto refuse = [&](uint64_t offset, const char* reason) {
    return make_error(Code::kBadModel, source.name(), offset, "%s", reason);
  };
  if (memcmp(p.magic, kSlmMagic, sizeof kSlmMagic) != 0) return refuse(0, "not a .slm file");
  if (p.format_version != kSlmVersion) {
    return make_error(Code::kBadModel, source.name(), offsetof(Preamble, format_version),
                      "format version %u, this program reads version %u", p.format_version, kSlmVersion);
  }
  if (p.preamble_bytes != kPreambleBytes) return refuse(offsetof(Preamble, preamble_bytes), "wrong preamble length");
  if (p.preamble_hash != hash64(std::as_bytes(std::span(&p, 1)).first(offsetof(Preamble, preamble_hash)))) {
    return refuse(offsetof(Preamble, preamble_hash), "the preamble is damaged: its hash does not match");
  }
  if (p.reserved != 0) return refuse(offsetof(Preamble, reserved), "the reserved field is not 0");
  if (p.file_bytes % kSlmAlignment != 0) {
    return refuse(offsetof(Preamble, file_bytes), "the file's size is not a multiple of 4096");
  }
  if (p.file_bytes > source.size()) {
    return make_error(Code::kBadModel, source.name(), source.size(),
                      "the file is truncated: %" PRIu64 " of %" PRIu64 " bytes are there", source.size(), p.file_bytes);
  }
  if (p.header_bytes < 8 || p.header_bytes > kMaxHeaderBytes) {
    return make_error(Code::kBadModel, source.name(), offsetof(Preamble, header_bytes),
                      "a header of %" PRIu64 " bytes, 8 to %" PRIu64 " are allowed", p.header_bytes, kMaxHeaderBytes);
  }
  const CheckedU64 end = CheckedU64(p.header_offset) + CheckedU64(p.header_bytes);
  if (p.header_offset < kSlmAlignment || p.header_offset % kSlmAlignment != 0 || !end.at_most(p.file_bytes)) {
    return make_error(Code::kBadModel, source.name(), offsetof(Preamble, header_offset),
                      "%" PRIu64 " bytes of header at %" PRIu64 " do not lie inside the file at a multiple of 4096",
                      p.header_bytes, p.header_offset);
  }
  return {};
}

// What a reader must know before it believes anything else.
Status check_features(const HeaderCheck& check) {
  const fb::Header& header = check.header;
  if (header.format_version() != kSlmVersion) {
    return check.refuse("header of format version %u, this program reads version %u", header.format_version(),
                        kSlmVersion);
  }
  const auto* features = header.required_features();
  if (size_of(features) > kMaxFeatures || size_of(header.min_reader()) > kMaxNameBytes) {
    return check.refuse("too many required features");
  }
  if (size_of(features) != 0) {  // version 1 defines none
    const char* since = size_of(header.min_reader()) != 0 ? header.min_reader()->c_str() : "unknown";
    return check.refuse(
        "the file needs \"%.100s\", which this program does not know; first program version that reads "
        "it: %.100s",
        features->Get(0)->c_str(), since);
  }
  if (header.file_bytes() != check.preamble.file_bytes) {
    return check.refuse("the header speaks of %" PRIu64 " bytes, the preamble of %" PRIu64, header.file_bytes(),
                        check.preamble.file_bytes);
  }
  return {};
}

Status check_texts_for_people(const HeaderCheck& check) {
  const fb::Header& header = check.header;
  for (const flatbuffers::String* text : {header.name(), header.architecture(), header.source()}) {
    if (size_of(text) > kMaxNameBytes) return check.refuse("a name of %u bytes", size_of(text));
  }
  const auto* templates = header.chat_templates();
  if (size_of(templates) > kMaxTemplates) return check.refuse("%u chat templates", size_of(templates));
  for (uint32_t i = 0; i < size_of(templates); ++i) {
    const fb::NamedTemplate& named = *templates->Get(i);
    if (size_of(named.name()) > kMaxNameBytes || size_of(named.text()) > kMaxTemplateBytes) {
      return check.refuse("chat template %u has %u bytes, at most %u are allowed", i, size_of(named.text()),
                          kMaxTemplateBytes);
    }
  }
  if (size_of(header.chat_template()) > kMaxTemplateBytes) {
    return check.refuse("the chat template has %u bytes, at most %u are allowed", size_of(header.chat_template()),
                        kMaxTemplateBytes);
  }
  return {};
}

Status check_header(const HeaderCheck& check) {
  SLUICE_DO(check_features(check));
  SLUICE_DO(check_texts_for_people(check));
  SLUICE_DO(check_weights(check));
  SLUICE_DO(check_model(check));
  return check_vocab(check);
}

}  // namespace

Error HeaderCheck::refuse(const char* format, ...) const {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return make_error(Code::kBadModel, file, preamble.header_offset, "header: %s", text);
}

Result<SlmFile> open_slm(std::shared_ptr<const ByteSource> source, Accountant& accountant) {
  SlmFile file;
  if (source->size() < kPreambleBytes) {
    return make_error(Code::kBadModel, source->name(), source->size(), "not a .slm file: shorter than its preamble");
  }
  SLUICE_DO(source->read_at(0, std::as_writable_bytes(std::span(&file.preamble_, 1))));
  SLUICE_DO(check_preamble(file.preamble_, *source));
  const Preamble& p = file.preamble_;
  SLUICE_TRY(file.memory_, accountant.allocate(MemoryKind::kHeader, p.header_bytes));
  const std::span<std::byte> bytes{file.memory_.data(), size_t(p.header_bytes)};
  SLUICE_DO(source->read_at(p.header_offset, bytes));
  if (hash64(bytes) != p.header_hash) {
    return make_error(Code::kBadModel, source->name(), p.header_offset,
                      "the header is damaged: its hash does not match");
  }
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  flatbuffers::Verifier verifier(data, bytes.size(), kMaxTableDepth, kMaxTables);
  if (!fb::VerifyHeaderBuffer(verifier)) {
    return make_error(Code::kBadModel, source->name(), p.header_offset,
                      "the header is not a valid \"SLM1\" FlatBuffer");
  }
  file.header_ = fb::GetHeader(data);
  SLUICE_DO(check_header({*file.header_, p, source->name()}));
  file.source_ = std::move(source);
  return file;
}

ExtentShape shape_of(const fb::Header& header, const fb::Extent& extent) {
  ExtentShape shape;
  shape.interleaved = extent.interleaved();
  shape.strips_per_chunk = extent.strips_per_chunk();
  for (uint32_t m = 0; m < extent.members()->size(); ++m) {
    const fb::Tensor& tensor = *header.tensors()->Get(extent.members()->Get(m));
    shape.strip_bytes.push_back(extent.strip_bytes()->Get(m));
    shape.n_strips.push_back((tensor.rows() + extent.rows_per_strip() - 1) / extent.rows_per_strip());
  }
  return shape;
}

Status verify_chunk(const SlmFile& file, uint32_t chunk, std::span<const std::byte> bytes) {
  const fb::Chunk& entry = *file.header()->chunks()->Get(chunk);
  SLUICE_CHECK(bytes.size() == entry.bytes());
  if (hash64(bytes) == entry.hash()) return {};
  return make_error(Code::kBadModel, file.source()->name(), entry.offset(),
                    "the weights are damaged: the hash of chunk %u does not match", chunk);
}

Status SlmFile::read_chunk(uint32_t chunk, std::span<std::byte> out) const {
  SLUICE_DO(source_->read_at(header_->chunks()->Get(chunk)->offset(), out));
  return verify_chunk(*this, chunk, out);
}

}  // namespace sluice
