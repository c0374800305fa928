// SPDX-License-Identifier: Apache-2.0
// A Model: the verified, immutable view of a .slm file. Opening it brings in the header (configuration, tensor table,
// vocabulary, templates); weights stay on disk. Knows no architecture by name.
#pragma once
#include <memory>
#include <vector>

#include "base/source.h"
#include "runtime/tokenizer/tokenizer.h"
#include "schema/reader.h"

namespace sluice {

// Immutable and thread-safe once open.
class Model {
 public:
  // kBadModel with offset and reason for what is corrupt, unsupported or contradictory.
  static Result<std::shared_ptr<const Model>> open(std::shared_ptr<const ByteSource> source);

  const fb::Header& header() const { return *file_.header(); }
  const fb::Config& config() const { return *header().config(); }
  const SlmFile& file() const { return file_; }
  const ByteSource& source() const { return *source_; }
  const std::shared_ptr<const ByteSource>& shared_source() const { return source_; }
  const std::string& name() const { return source_->name(); }  // of the file, for messages
  const Tokenizer& tokenizer() const { return tokenizer_; }
  uint64_t header_bytes() const { return memory_.used(); }

  // A file without tensors: text can be cut into tokens, nothing can be computed.
  bool vocabulary_only() const { return !header().tensors() || header().tensors()->size() == 0; }

  static constexpr uint32_t kAbsent = ~uint32_t{0};
  // Index of the tensor with this role (layer -1: not part of a layer), or kAbsent. Experts are not found.
  uint32_t find(fb::Role role, int32_t layer = -1) const;
  // Index of the tensor with this name in the file the model came from, or kAbsent.
  uint32_t find(std::string_view source_name) const;
  const fb::Tensor& tensor(uint32_t index) const { return *header().tensors()->Get(index); }

  // The chat template's text: the model's own, or a standard one chosen by its special tokens; may be empty.
  std::string_view chat_template() const;

 private:
  Model() : memory_(0) {}
  void index_tensors();

  Accountant memory_;  // of the header; before file_, which returns its memory to it
  std::shared_ptr<const ByteSource> source_;
  SlmFile file_;
  Tokenizer tokenizer_;
  std::vector<uint32_t> by_role_;  // [layer + 1][role]
};

}  // namespace sluice
