// SPDX-License-Identifier: Apache-2.0
#include "converter/hf_assembler.h"

#include <bit>

namespace sluice {

HfAssembler::HfAssembler(const char* container, InputFile main) {
  model_.container_ = container;
  model_.half_split_ = true;
  model_.file_ = std::move(main);
  model_.assembled_.push_back(0);  // never empty: an offset always points into it
}

uint32_t HfAssembler::add_file(InputFile file) {
  model_.more_.push_back(std::move(file));
  return uint32_t(model_.more_.size());
}

void HfAssembler::put(const void* bytes, size_t n) {
  const auto* p = static_cast<const uint8_t*>(bytes);
  model_.assembled_.insert(model_.assembled_.end(), p, p + n);
}

void HfAssembler::scalar(const std::string& key, GgufType type, uint64_t bits) {
  GgufValue value;
  value.type = type, value.bits = bits, value.offset = model_.assembled_.size();
  model_.values_[key] = value;
}

void HfAssembler::number(const std::string& key, double value) {
  scalar(key, GgufType::kF64, std::bit_cast<uint64_t>(value));
}

void HfAssembler::whole(const std::string& key, uint32_t value) { scalar(key, GgufType::kU32, value); }

void HfAssembler::truth(const std::string& key, bool value) { scalar(key, GgufType::kBool, value); }

void HfAssembler::text(const std::string& key, std::string_view value) {
  scalar(key, GgufType::kText, 0);
  model_.values_[key].count = value.size();
  put(value.data(), value.size());
}

void HfAssembler::blame(const std::string& key, const JsonValues& from, std::string_view name) {
  const JsonValue* value = from.find(name);
  model_.origins_[key] = {from.path(), std::string(name), value ? value->offset : kNoOffset};
}

void HfAssembler::copy(const JsonValues& from, std::string_view name, const std::string& key) {
  const JsonValue* value = from.find(name);
  if (!value) return;
  switch (value->kind) {
    case JsonKind::kText:
      text(key, value->text);
      break;
    case JsonKind::kNumber:
      if (!value->number.is_integer) {
        number(key, value->number.real);
      } else {
        scalar(key, value->number.integer < 0 ? GgufType::kI64 : GgufType::kU64, uint64_t(value->number.integer));
      }
      break;
    case JsonKind::kTruth:
      truth(key, value->truth);
      break;
    default:  // an array of arrays is what no key asks for: whoever reads it says so
      scalar(key, GgufType::kArray, 0);
  }
  blame(key, from, name);
}

void HfAssembler::begin_list(const std::string& key, GgufType type, const std::string& path, const std::string& name) {
  GgufValue value;
  value.type = type, value.is_array = true, value.offset = model_.assembled_.size();
  list_ = &(model_.values_[key] = value);
  model_.origins_[key] = {path, name, kNoOffset};
}

void HfAssembler::element(std::string_view text) {
  const uint64_t n = text.size();
  put(&n, sizeof n);
  put(text.data(), text.size());
  ++list_->count;
}

void HfAssembler::element(float value) {
  put(&value, sizeof value);
  ++list_->count;
}

void HfAssembler::element(uint32_t value) {
  put(&value, sizeof value);
  ++list_->count;
}

Status HfAssembler::add_tensor(GgufTensor tensor) {
  if (model_.tensors_.size() == kMaxGgufTensors) {
    return make_error(Code::kBadModel, model_.file_of(tensor).path(), tensor.described_at, "more than %llu tensors",
                      static_cast<unsigned long long>(kMaxGgufTensors));
  }
  if (!model_.tensor_index_.emplace(tensor.name, model_.tensors_.size()).second) {
    return make_error(Code::kBadModel, model_.file_of(tensor).path(), tensor.described_at,
                      "the tensor %s occurs twice in this model", tensor.title().c_str());
  }
  model_.tensors_.push_back(std::move(tensor));
  return {};
}

}  // namespace sluice
