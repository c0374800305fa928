// SPDX-License-Identifier: Apache-2.0
// Typed access to the metadata of a GGUF file. A key with another type than asked for is an error, never a cast.
#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cmath>
#include <cstring>

#include "converter/byte_window.h"
#include "converter/gguf.h"

namespace sluice {

namespace {

constexpr size_t kArrayWindow = 256 << 10;

bool is_integer(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kU16:
    case GgufType::kI16:
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kU64:
    case GgufType::kI64:
      return true;
    default:
      return false;
  }
}

bool is_negative(GgufType type, uint64_t bits) {
  const bool has_sign =
      type == GgufType::kI8 || type == GgufType::kI16 || type == GgufType::kI32 || type == GgufType::kI64;
  return has_sign && int64_t(bits) < 0;
}

double as_real(GgufType type, uint64_t bits) {
  if (type == GgufType::kF32) return std::bit_cast<float>(uint32_t(bits));
  if (type == GgufType::kF64) return std::bit_cast<double>(bits);
  return is_negative(type, bits) ? double(int64_t(bits)) : double(bits);
}

std::string described(const GgufValue& value) {
  return std::string(value.is_array ? "an array of " : "") + gguf_type_name(value.type);
}

}  // namespace

ByteWindow Gguf::values_window(size_t bytes) const {
  return assembled_.empty() ? ByteWindow(file_, bytes) : ByteWindow(assembled_);
}

Error Gguf::key_error(std::string_view key, const std::string& reason) const {
  if (const auto found = origins_.find(key); found != origins_.end()) {
    const Origin& origin = found->second;
    return make_error(Code::kBadModel, origin.path, origin.offset, "%s %s", origin.name.c_str(), reason.c_str());
  }
  const GgufValue* value = find(key);
  return make_error(Code::kBadModel, file_.path(), value && assembled_.empty() ? value->offset : kNoOffset, "%.*s %s",
                    int(key.size()), key.data(), reason.c_str());
}

Result<uint32_t> Gguf::integer(std::string_view key, uint32_t min, uint32_t max) const {
  const GgufValue* value = find(key);
  if (!value) return key_error(key, "is missing");
  if (value->is_array || !is_integer(value->type))
    return key_error(key, "is " + described(*value) + ", expected an integer");
  if (is_negative(value->type, value->bits)) {
    return key_error(key, "is " + std::to_string(int64_t(value->bits)) + ", expected no negative number");
  }
  if (value->bits < min || value->bits > max) {
    return key_error(
        key, "is " + std::to_string(value->bits) + ", expected " + std::to_string(min) + " to " + std::to_string(max));
  }
  return uint32_t(value->bits);
}

Result<uint32_t> Gguf::integer(std::string_view key, uint32_t min, uint32_t max, uint32_t fallback) const {
  if (!has(key)) return fallback;
  return integer(key, min, max);
}

Result<double> Gguf::real(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return key_error(key, "is missing");
  const bool number = is_integer(value->type) || value->type == GgufType::kF32 || value->type == GgufType::kF64;
  if (value->is_array || !number) return key_error(key, "is " + described(*value) + ", expected a number");
  const double x = as_real(value->type, value->bits);
  if (!std::isfinite(x)) return key_error(key, "is not a finite number");
  return x;
}

Result<double> Gguf::real(std::string_view key, double fallback) const {
  if (!has(key)) return fallback;
  return real(key);
}

Result<bool> Gguf::truth(std::string_view key, bool fallback) const {
  const GgufValue* value = find(key);
  if (!value) return fallback;
  if (value->is_array || value->type != GgufType::kBool)
    return key_error(key, "is " + described(*value) + ", expected a truth value");
  return value->bits == 1;
}

Result<std::string> Gguf::text(std::string_view key) const {
  const GgufValue* value = find(key);
  if (!value) return key_error(key, "is missing");
  if (value->is_array || value->type != GgufType::kText)
    return key_error(key, "is " + described(*value) + ", expected a text");
  ByteWindow window = values_window(size_t(value->count));
  SLUICE_TRY(const uint8_t* bytes, window.view(value->offset, size_t(value->count)));
  std::string text(reinterpret_cast<const char*>(bytes), size_t(value->count));
  if (!is_utf8(text)) return key_error(key, "is not UTF-8");
  return text;
}

Result<std::string> Gguf::text(std::string_view key, std::string_view fallback) const {
  if (!has(key)) return std::string(fallback);
  return text(key);
}

namespace {

// Calls fn(bits) for every number of an array.
template <class F>
Status for_each_number(ByteWindow window, const GgufValue& value, uint32_t bytes, F fn) {
  for (uint64_t i = 0; i < value.count; ++i) {
    SLUICE_TRY(const uint8_t* p, window.view(value.offset + i * bytes, bytes));
    uint64_t bits = 0;
    memcpy(&bits, p, bytes);
    SLUICE_DO(fn(bits));
  }
  return {};
}

}  // namespace

Result<std::vector<uint32_t>> Gguf::integers(std::string_view key, uint64_t max) const {
  const GgufValue* value = find(key);
  if (!value) return key_error(key, "is missing");
  // Truth values count as 0 and 1: patterns of layers come both ways.
  const bool narrow = value->type == GgufType::kBool || value->type == GgufType::kU8;
  if (!value->is_array || !(narrow || value->type == GgufType::kU32 || value->type == GgufType::kI32)) {
    return key_error(key, "is " + described(*value) + ", expected an array of u32, i32 or bool");
  }
  if (value->count > max) {
    return key_error(
        key, "has " + std::to_string(value->count) + " elements, at most " + std::to_string(max) + " were expected");
  }
  std::vector<uint32_t> numbers;
  numbers.reserve(size_t(value->count));
  SLUICE_DO(for_each_number(values_window(kArrayWindow), *value, narrow ? 1 : 4, [&](uint64_t bits) -> Status {
    if (value->type == GgufType::kI32 && int32_t(uint32_t(bits)) < 0) return key_error(key, "has a negative element");
    numbers.push_back(uint32_t(bits));
    return {};
  }));
  return numbers;
}

Result<std::vector<float>> Gguf::reals(std::string_view key, uint64_t max) const {
  const GgufValue* value = find(key);
  if (!value) return key_error(key, "is missing");
  if (!value->is_array || (value->type != GgufType::kF32 && value->type != GgufType::kI32)) {
    return key_error(key, "is " + described(*value) + ", expected an array of f32");
  }
  if (value->count > max) {
    return key_error(
        key, "has " + std::to_string(value->count) + " elements, at most " + std::to_string(max) + " were expected");
  }
  std::vector<float> numbers;
  numbers.reserve(size_t(value->count));
  SLUICE_DO(for_each_number(values_window(kArrayWindow), *value, 4, [&](uint64_t bits) -> Status {
    const float x =
        value->type == GgufType::kF32 ? std::bit_cast<float>(uint32_t(bits)) : float(int32_t(uint32_t(bits)));
    if (!std::isfinite(x)) return key_error(key, "has an element that is not a finite number");
    numbers.push_back(x);
    return {};
  }));
  return numbers;
}

Result<std::vector<uint8_t>> Gguf::bytes(std::string_view key, uint64_t max) const {
  std::vector<uint8_t> bytes;
  const GgufValue* value = find(key);
  if (!value) return bytes;
  if (!value->is_array || (value->type != GgufType::kU8 && value->type != GgufType::kI8)) {
    return key_error(key, "is not an array of bytes");
  }
  if (value->count > max) return key_error(key, "has more than " + std::to_string(max) + " bytes");
  ByteWindow window = values_window(size_t(value->count));
  SLUICE_TRY(const uint8_t* first, window.view(value->offset, size_t(value->count)));
  bytes.assign(first, first + value->count);
  return bytes;
}

Status Gguf::for_each_text(std::string_view key, const std::function<Status(uint64_t, std::string_view)>& fn) const {
  const GgufValue* value = find(key);
  if (!value) return key_error(key, "is missing");
  if (!value->is_array || value->type != GgufType::kText)
    return key_error(key, "is " + described(*value) + ", expected an array of texts");
  ByteWindow window = values_window(kArrayWindow);
  uint64_t at = value->offset;
  for (uint64_t i = 0; i < value->count; ++i) {
    SLUICE_TRY(const uint8_t* p, window.view(at, 8));
    uint64_t n;
    memcpy(&n, p, 8);
    // The parser has checked n; the file may have changed since.
    if (n > kMaxGgufTextBytes)
      return make_error(Code::kBadModel, file_.path(), at, "the file changed while it was read");
    SLUICE_TRY(p, window.view(at + 8, size_t(n)));
    SLUICE_DO(fn(i, std::string_view(reinterpret_cast<const char*>(p), size_t(n))));
    at += 8 + n;
  }
  return {};
}

}  // namespace sluice
