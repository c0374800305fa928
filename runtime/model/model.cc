// SPDX-License-Identifier: Apache-2.0
#include "runtime/model/model.h"

#include "runtime/chat/chat_template.h"

namespace sluice {
namespace {

constexpr size_t kRoles = size_t(fb::Role::MAX) + 1;

}  // namespace

Result<std::shared_ptr<const Model>> Model::open(std::shared_ptr<const ByteSource> source) {
  std::shared_ptr<Model> model(new Model);
  model->source_ = source;
  SLUICE_TRY(model->file_, open_slm(std::move(source), model->memory_));
  SLUICE_TRY(model->tokenizer_, Tokenizer::open(model->header().vocab()));
  model->index_tensors();
  return std::shared_ptr<const Model>(std::move(model));
}

void Model::index_tensors() {
  if (vocabulary_only()) return;
  by_role_.assign((size_t(config().n_layers()) + 1) * kRoles, kAbsent);
  for (uint32_t i = 0; i < header().tensors()->size(); ++i) {
    const fb::Tensor& t = tensor(i);
    if (t.expert() < 0) by_role_[size_t(t.layer() + 1) * kRoles + size_t(t.role())] = i;
  }
}

uint32_t Model::find(fb::Role role, int32_t layer) const {
  const size_t at = size_t(layer + 1) * kRoles + size_t(role);
  return at < by_role_.size() ? by_role_[at] : kAbsent;
}

uint32_t Model::find(std::string_view source_name) const {
  if (vocabulary_only()) return kAbsent;
  for (uint32_t i = 0; i < header().tensors()->size(); ++i) {
    const flatbuffers::String* name = tensor(i).source_name();
    if (name && name->string_view() == source_name) return i;
  }
  return kAbsent;
}

std::string_view Model::chat_template() const {
  if (const flatbuffers::String* text = header().chat_template(); text && text->size() > 0) return text->string_view();
  const auto has_token = [](void* user, std::string_view text) {
    return static_cast<const Tokenizer*>(user)->find(text) >= 0;
  };
  return fallback_template(has_token, const_cast<Tokenizer*>(&tokenizer_));
}

}  // namespace sluice
