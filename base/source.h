// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a model come from: a part of a file (which may lie inside another file, such as an APK), or a
// callback of the embedding program. Offsets count from the first byte of the part.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/file.h"
#include "base/result.h"

namespace sluice {

// Immutable and thread-safe: read_at may be called from any thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual uint64_t size() const = 0;
  // Exactly out.size() bytes, or an error: kBadModel if the source ends before, kFailed if reading fails.
  virtual Status read_at(uint64_t offset, std::span<std::byte> out) const = 0;
  virtual const std::string& name() const = 0;
};

class FileSource final : public ByteSource {
 public:
  static Result<std::shared_ptr<const FileSource>> open(const std::string& path);
  // `length` bytes from `base` on; kBadModel when they do not lie inside the file.
  static Result<std::shared_ptr<const FileSource>> part(InputFile file, uint64_t base, uint64_t length);

  uint64_t size() const override { return length_; }
  Status read_at(uint64_t offset, std::span<std::byte> out) const override;
  const std::string& name() const override { return file_.path(); }

  // For readers that go around read_at (direct I/O): byte `offset` of the source is byte base() + offset of file().
  const InputFile& file() const { return file_; }
  uint64_t base() const { return base_; }

 private:
  FileSource() = default;
  InputFile file_;
  uint64_t base_ = 0, length_ = 0;
};

// Fills `bytes` bytes from `offset` on; false if it could not. May be called from any thread.
using ReadCallback = bool (*)(void* user, uint64_t offset, void* out, size_t bytes);

class CallbackSource final : public ByteSource {
 public:
  CallbackSource(std::string name, uint64_t size, ReadCallback read, void* user);

  uint64_t size() const override { return size_; }
  Status read_at(uint64_t offset, std::span<std::byte> out) const override;
  const std::string& name() const override { return name_; }

 private:
  std::string name_;
  uint64_t size_;
  ReadCallback read_;
  void* user_;
};

}  // namespace sluice
