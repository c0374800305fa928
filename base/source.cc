// SPDX-License-Identifier: Apache-2.0
#include "base/source.h"

#include <cinttypes>
#include <utility>

namespace sluice {

namespace {

// kBadModel unless `bytes` bytes from `offset` on lie inside `size`.
Status check_range(const std::string& name, uint64_t offset, uint64_t bytes, uint64_t size) {
  if (offset <= size && bytes <= size - offset) return {};
  return make_error(Code::kBadModel, name, offset,
                    "%" PRIu64 " bytes were expected here, but there are only %" PRIu64 " bytes in all", bytes, size);
}

}  // namespace

Result<std::shared_ptr<const FileSource>> FileSource::open(const std::string& path) {
  SLUICE_TRY(InputFile file, InputFile::open(path));
  const uint64_t size = file.size();
  return part(std::move(file), 0, size);
}

Result<std::shared_ptr<const FileSource>> FileSource::part(InputFile file, uint64_t base, uint64_t length) {
  SLUICE_DO(check_range(file.path(), base, length, file.size()));
  std::shared_ptr<FileSource> source(new FileSource);
  source->file_ = std::move(file);
  source->base_ = base;
  source->length_ = length;
  return std::shared_ptr<const FileSource>(std::move(source));
}

Status FileSource::read_at(uint64_t offset, std::span<std::byte> out) const {
  SLUICE_DO(check_range(name(), offset, out.size(), length_));
  return file_.read_at(base_ + offset, out);
}

CallbackSource::CallbackSource(std::string name, uint64_t size, ReadCallback read, void* user)
    : name_(std::move(name)), size_(size), read_(read), user_(user) {}

Status CallbackSource::read_at(uint64_t offset, std::span<std::byte> out) const {
  SLUICE_DO(check_range(name_, offset, out.size(), size_));
  if (out.empty() || read_(user_, offset, out.data(), out.size())) return {};
  return make_error(Code::kFailed, name_, offset, "the program's function could not read %zu bytes", out.size());
}

}  // namespace sluice
