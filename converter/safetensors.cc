// SPDX-License-Identifier: Apache-2.0
#include "converter/safetensors.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "base/checked.h"
#include "converter/hf_json.h"

namespace sluice {

namespace {

constexpr uint64_t kLengthBytes = 8;

// Sizes of all types the format defines; which of them can be converted is not decided here.
struct Dtype {
  const char* name;
  uint32_t bits;
};
constexpr Dtype kDtypes[] = {{"F64", 64},    {"F32", 32},        {"F16", 16},        {"BF16", 16},   {"I64", 64},
                             {"I32", 32},    {"I16", 16},        {"I8", 8},          {"U64", 64},    {"U32", 32},
                             {"U16", 16},    {"U8", 8},          {"BOOL", 8},        {"F8_E4M3", 8}, {"F8_E5M2", 8},
                             {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6},
                             {"F4", 4},      {"C64", 64}};

const Dtype* find_dtype(const std::string& name) {
  const auto found =
      std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const Dtype& d) { return name == d.name; });
  return found == std::end(kDtypes) ? nullptr : found;
}

bool is_clean(std::string_view name) {
  return !name.empty() && std::none_of(name.begin(), name.end(), [](char c) { return uint8_t(c) < 0x20 || c == 0x7f; });
}

class HeaderReader {
 public:
  HeaderReader(const InputFile& file, uint64_t header_bytes)
      : file_(file), data_(kLengthBytes + header_bytes), json_(file, kLengthBytes, data_) {}

  Result<std::vector<SafeTensor>> read() {
    SLUICE_DO(json_.object([&](std::string_view name) -> Status {
      if (name == "__metadata__") return metadata();
      return tensor(name);
    }));
    SLUICE_DO(json_.finish());
    SLUICE_DO(check_names());
    SLUICE_DO(check_places());
    return std::move(tensors_);
  }

 private:
  Status metadata() {
    return json_.object([&](std::string_view) -> Status {
      SLUICE_TRY(const JsonKind kind, json_.peek());
      if (kind != JsonKind::kText) return json_.bad(json_.at(), "__metadata__ has a value that is no text");
      return json_.skip();
    });
  }

  Status tensor(std::string_view name) {
    SafeTensor t;
    SLUICE_DO(json_.peek());
    t.described_at = json_.at();
    if (tensors_.size() == kMaxSafetensors) {
      return json_.bad(t.described_at, "more than %zu tensors", kMaxSafetensors);
    }
    if (name.size() > kMaxSafetensorsName || !is_clean(name)) {
      return json_.bad(t.described_at, "the name of a tensor is empty, has control characters or more than %zu bytes",
                       kMaxSafetensorsName);
    }
    name_bytes_ += name.size();
    if (name_bytes_ > kMaxSafetensorsNames) {
      return json_.bad(t.described_at, "names of tensors with more than %zu bytes", kMaxSafetensorsNames);
    }
    t.name = name;
    bool has_dtype = false, has_shape = false, has_place = false;
    uint64_t begin = 0, end = 0;
    SLUICE_DO(json_.object([&](std::string_view key) -> Status {
      bool* seen = key == "dtype"          ? &has_dtype
                   : key == "shape"        ? &has_shape
                   : key == "data_offsets" ? &has_place
                                           : nullptr;
      if (!seen)
        return json_.bad(json_.at(), "tensor %s has the unknown key %.*s", t.name.c_str(), int(key.size()), key.data());
      if (*seen)
        return json_.bad(json_.at(), "tensor %s has two keys %.*s", t.name.c_str(), int(key.size()), key.data());
      *seen = true;
      if (key == "dtype") {
        SLUICE_TRY(t.dtype, json_.text(kMaxSafetensorsName));
        return {};
      }
      return key == "shape" ? shape(t) : place(begin, end, t.name);
    }));
    if (!has_dtype || !has_shape || !has_place) {
      return json_.bad(t.described_at, "tensor %s lacks %s", t.name.c_str(),
                       !has_dtype   ? "dtype"
                       : !has_shape ? "shape"
                                    : "data_offsets");
    }
    return check_size(t, begin, end);
  }

  Status shape(SafeTensor& t) {
    return json_.array([&](uint64_t i) -> Status {
      if (i == kMaxSafetensorsDims) {
        return json_.bad(json_.at(), "tensor %s has more than %u dimensions", t.name.c_str(), kMaxSafetensorsDims);
      }
      SLUICE_TRY(t.shape[i], json_.whole(INT64_MAX, "a dimension"));
      t.n_dims = uint32_t(i + 1);
      return {};
    });
  }

  Status place(uint64_t& begin, uint64_t& end, const std::string& name) {
    uint64_t n = 0;
    SLUICE_DO(json_.array([&](uint64_t i) -> Status {
      if (i > 1) return json_.bad(json_.at(), "tensor %s has more than two data_offsets", name.c_str());
      SLUICE_TRY((i == 0 ? begin : end), json_.whole(INT64_MAX, "an element of data_offsets"));
      n = i + 1;
      return {};
    }));
    if (n != 2) return json_.bad(json_.at(), "tensor %s has fewer than two data_offsets", name.c_str());
    return {};
  }

  Status check_size(SafeTensor& t, uint64_t begin, uint64_t end) {
    const Dtype* dtype = find_dtype(t.dtype);
    if (!dtype) return json_.bad(t.described_at, "tensor %s has the unknown dtype %s", t.name.c_str(), t.dtype.c_str());
    CheckedU64 bits(dtype->bits);
    for (uint32_t d = 0; d < t.n_dims; ++d) bits = bits * t.shape[d];
    const uint64_t room = file_.size() - data_;
    if (begin > end || end > room) {
      return json_.bad(t.described_at,
                       "the data of tensor %s, %" PRIu64 " to %" PRIu64 ", lies outside the %" PRIu64 " bytes of data",
                       t.name.c_str(), begin, end, room);
    }
    if (!bits.at_most(UINT64_MAX - 1) || bits.value() % 8 != 0 || bits.value() / 8 != end - begin) {
      return json_.bad(t.described_at,
                       "tensor %s of the shape %s and dtype %s does not have the %" PRIu64
                       " bytes that its data_offsets give it",
                       t.name.c_str(), t.shape_text().c_str(), t.dtype.c_str(), end - begin);
    }
    t.offset = data_ + begin, t.bytes = end - begin;
    tensors_.push_back(std::move(t));
    return {};
  }

  Status check_names() const {
    std::vector<const SafeTensor*> sorted = pointers();
    std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) {
      return a->name != b->name ? a->name < b->name : a->described_at < b->described_at;
    });
    for (size_t i = 1; i < sorted.size(); ++i) {
      if (sorted[i - 1]->name == sorted[i]->name) {
        return json_.bad(sorted[i]->described_at, "the tensor %s occurs twice", sorted[i]->name.c_str());
      }
    }
    return {};
  }

  Status check_places() const {
    std::vector<const SafeTensor*> sorted = pointers();
    std::sort(sorted.begin(), sorted.end(),
              [](auto* a, auto* b) { return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes; });
    uint64_t at = data_;
    const SafeTensor* before = nullptr;
    for (const SafeTensor* t : sorted) {
      if (t->offset < at) {
        return json_.bad(t->described_at, "the tensors %s and %s overlap", before->name.c_str(), t->name.c_str());
      }
      if (t->offset > at) {
        return json_.bad(at, "%" PRIu64 " bytes before the data of tensor %s belong to no tensor", t->offset - at,
                         t->name.c_str());
      }
      at = t->offset + t->bytes;
      before = t;
    }
    if (at != file_.size()) return json_.bad(at, "%" PRIu64 " bytes after the last tensor", file_.size() - at);
    return {};
  }

  std::vector<const SafeTensor*> pointers() const {
    std::vector<const SafeTensor*> all;
    for (const SafeTensor& t : tensors_) all.push_back(&t);
    return all;
  }

  const InputFile& file_;
  uint64_t data_;  // where the tensors' bytes begin
  JsonReader json_;
  std::vector<SafeTensor> tensors_;
  size_t name_bytes_ = 0;
};

}  // namespace

std::string SafeTensor::shape_text() const {
  std::string text = "[";
  for (uint32_t i = 0; i < n_dims; ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

Result<std::vector<SafeTensor>> read_safetensors(const InputFile& file) {
  const auto bad = [&](uint64_t offset, const char* reason, uint64_t n) {
    return make_error(Code::kBadModel, file.path(), offset, reason, n);
  };
  if (file.size() < kLengthBytes + 2)
    return bad(kNoOffset, "%" PRIu64 " bytes are too few for a safetensors file", file.size());
  uint8_t head[kLengthBytes + 1];
  SLUICE_DO(file.read_at(0, std::as_writable_bytes(std::span(head))));
  uint64_t n = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) n |= uint64_t(head[i]) << (8 * i);
  if (n > file.size() - kLengthBytes) return bad(0, "says that its header has %" PRIu64 " bytes, more than follow", n);
  if (n > kMaxSafetensorsHeader) return bad(0, "a header of %" PRIu64 " bytes; at most 100000000 are allowed", n);
  if (n < 2 || head[kLengthBytes] != '{')
    return bad(kLengthBytes, "the header of %" PRIu64 " bytes is no JSON object", n);
  return HeaderReader(file, n).read();
}

}  // namespace sluice
