// SPDX-License-Identifier: Apache-2.0
// A part of a file that the embedding program opened (an asset inside a package). The descriptor stays the caller's; a
// duplicate is read from and closed here.
#pragma once
#include <memory>

#include "base/source.h"

namespace sluice {

class DescriptorSource final : public ByteSource {
 public:
  // kBadModel when the part does not lie inside the file, kFailed when the descriptor cannot be duplicated.
  static Result<std::shared_ptr<const DescriptorSource>> open(int fd, uint64_t base, uint64_t length, std::string name);
  ~DescriptorSource() override;
  DescriptorSource(const DescriptorSource&) = delete;
  DescriptorSource& operator=(const DescriptorSource&) = delete;

  uint64_t size() const override { return length_; }
  Status read_at(uint64_t offset, std::span<std::byte> out) const override;
  const std::string& name() const override { return name_; }
  int fd() const { return fd_; }
  uint64_t base() const { return base_; }

 private:
  DescriptorSource() = default;
  int fd_ = -1;
  uint64_t base_ = 0, length_ = 0;
  std::string name_;
};

}  // namespace sluice
