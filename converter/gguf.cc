// SPDX-License-Identifier: Apache-2.0
// The one pass over a GGUF header. Every number is compared with a limit or with the bytes that are left before it is
// used; nothing is allocated from it.
#include "converter/gguf.h"

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "base/checked.h"
#include "converter/byte_window.h"

namespace sluice {

namespace {

constexpr size_t kHeaderWindow = 256 << 10;
// Smallest possible entry and tensor description, to compare counts with the bytes that are left.
constexpr uint64_t kMinEntryBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;

constexpr const char* kTypeNames[] = {"u8",   "i8",   "u16",   "i16", "u32", "i32", "f32",
                                      "bool", "text", "array", "u64", "i64", "f64"};
constexpr uint8_t kTypeBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

int64_t sign_extended(uint64_t bits, uint32_t bytes) {
  const uint32_t unused = 64 - 8 * bytes;
  return int64_t(bits << unused) >> unused;
}

bool is_signed(GgufType type) {
  return type == GgufType::kI8 || type == GgufType::kI16 || type == GgufType::kI32 || type == GgufType::kI64;
}

// Names end up in messages and in the .slm header.
bool is_clean_name(std::string_view name) {
  return is_utf8(name) && std::none_of(name.begin(), name.end(), [](char c) { return uint8_t(c) < 0x20 || c == 0x7f; });
}

}  // namespace

const char* gguf_type_name(GgufType type) { return type < GgufType::kCount ? kTypeNames[size_t(type)] : "unknown"; }

std::string GgufTensor::shape() const {
  std::string text = "[";
  for (uint32_t i = 0; i < n_dims; ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

const GgufTensor* Gguf::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

const GgufValue* Gguf::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

bool is_utf8(std::string_view text) {
  const auto* p = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = p + text.size();
  while (p < end) {
    if (*p < 0x80) {
      ++p;
      continue;
    }
    const int more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
    if (*p < 0xc2 || *p > 0xf4 || end - p <= more) return false;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f)) return false;
    if ((*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f)) return false;
    for (int i = 1; i <= more; ++i) {
      if ((p[i] & 0xc0) != 0x80) return false;
    }
    p += more + 1;
  }
  return true;
}

class GgufParser {
 public:
  explicit GgufParser(Gguf& gguf) : g_(gguf), window_(gguf.file_, kHeaderWindow) {}
  Status parse();

 private:
  uint64_t left() const { return g_.file_.size() - at_; }
  Error bad(uint64_t offset, const char* format, ...) const __attribute__((format(printf, 3, 4)));

  Result<uint64_t> number(uint32_t bytes, const char* what);
  Result<std::string> name(uint64_t limit, const char* what);
  Status skip_text(const char* what, GgufValue& value);
  Status value(const std::string& key);
  Status element_values(const std::string& key, GgufValue& value);
  Status tensor();
  Status place_tensors();

  Gguf& g_;
  ByteWindow window_;
  uint64_t at_ = 0;
  uint64_t alignment_ = kDefaultGgufAlignment;
};

Error GgufParser::bad(uint64_t offset, const char* format, ...) const {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return make_error(Code::kBadModel, g_.file_.path(), offset, "%s", text);
}

Result<uint64_t> GgufParser::number(uint32_t bytes, const char* what) {
  if (left() < bytes) return bad(at_, "the file ends inside %s", what);
  SLUICE_TRY(const uint8_t* p, window_.view(at_, bytes));
  uint64_t bits = 0;
  memcpy(&bits, p, bytes);
  at_ += bytes;
  return bits;
}

Result<std::string> GgufParser::name(uint64_t limit, const char* what) {
  const uint64_t begin = at_;
  SLUICE_TRY(const uint64_t n, number(8, what));
  if (n == 0) return bad(begin, "%s is empty", what);
  if (n > limit) return bad(begin, "%s has %" PRIu64 " bytes, at most %" PRIu64 " are allowed", what, n, limit);
  if (n > left()) return bad(begin, "%s has %" PRIu64 " bytes, the file has %" PRIu64 " left", what, n, left());
  SLUICE_TRY(const uint8_t* p, window_.view(at_, size_t(n)));
  std::string text(reinterpret_cast<const char*>(p), size_t(n));
  if (!is_clean_name(text)) return bad(begin, "%s is not clean UTF-8 text", what);
  at_ += n;
  return text;
}

// Leaves the bytes of a text where they are and notes their place.
Status GgufParser::skip_text(const char* what, GgufValue& value) {
  const uint64_t begin = at_;
  SLUICE_TRY(value.count, number(8, what));
  if (value.count > kMaxGgufTextBytes) {
    return bad(begin, "the text of %s has %" PRIu64 " bytes, at most %" PRIu64 " are allowed", what, value.count,
               kMaxGgufTextBytes);
  }
  if (value.count > left()) {
    return bad(begin, "the text of %s has %" PRIu64 " bytes, the file has %" PRIu64 " left", what, value.count, left());
  }
  value.offset = at_;
  at_ += value.count;
  return {};
}

Status GgufParser::element_values(const std::string& key, GgufValue& value) {
  const uint64_t begin = at_;
  SLUICE_TRY(value.count, number(8, key.c_str()));
  const uint64_t smallest = value.type == GgufType::kText ? 8 : kTypeBytes[size_t(value.type)];
  if (value.count > left() / smallest) {
    return bad(begin, "the array %s says %" PRIu64 " elements, the file has %" PRIu64 " bytes left", key.c_str(),
               value.count, left());
  }
  value.offset = at_;
  if (value.type != GgufType::kText) {
    at_ += value.count * smallest;
    return {};
  }
  for (uint64_t i = 0; i < value.count; ++i) {
    GgufValue text;
    SLUICE_DO(skip_text(key.c_str(), text));
  }
  return {};
}

Status GgufParser::value(const std::string& key) {
  GgufValue value;
  const uint64_t begin = at_;
  SLUICE_TRY(uint64_t type, number(4, key.c_str()));
  if (type == uint64_t(GgufType::kArray)) {
    value.is_array = true;
    SLUICE_TRY(type, number(4, key.c_str()));
    if (type == uint64_t(GgufType::kArray)) return bad(begin, "%s is an array of arrays", key.c_str());
  }
  if (type >= uint64_t(GgufType::kCount)) return bad(begin, "%s has the unknown type %" PRIu64, key.c_str(), type);
  value.type = GgufType(type);
  if (value.is_array) {
    SLUICE_DO(element_values(key, value));
  } else if (value.type == GgufType::kText) {
    SLUICE_DO(skip_text(key.c_str(), value));
  } else {
    const uint32_t bytes = kTypeBytes[type];
    value.offset = at_;
    SLUICE_TRY(value.bits, number(bytes, key.c_str()));
    if (is_signed(value.type)) value.bits = uint64_t(sign_extended(value.bits, bytes));
    if (value.type == GgufType::kBool && value.bits > 1) {
      return bad(value.offset, "%s is a truth value of %" PRIu64 ", expected 0 or 1", key.c_str(), value.bits);
    }
  }
  if (!g_.values_.emplace(key, value).second) return bad(begin, "the key %s occurs twice", key.c_str());
  return {};
}

Status GgufParser::tensor() {
  GgufTensor tensor;
  const uint64_t begin = at_;
  tensor.described_at = begin;
  SLUICE_TRY(tensor.name, name(kMaxGgufTensorName, "the name of a tensor"));
  const char* title = tensor.name.c_str();
  SLUICE_TRY(const uint64_t n_dims, number(4, title));
  if (n_dims == 0 || n_dims > kMaxGgufDims) {
    return bad(begin, "tensor %s has %" PRIu64 " dimensions, 1 to %u are allowed", title, n_dims, kMaxGgufDims);
  }
  tensor.n_dims = uint32_t(n_dims);
  CheckedU64 elements(1);
  for (uint32_t i = 0; i < tensor.n_dims; ++i) {
    SLUICE_TRY(tensor.dims[i], number(8, title));
    if (tensor.dims[i] == 0) return bad(begin, "tensor %s has a dimension of 0", title);
    elements = elements * tensor.dims[i];
  }
  if (!elements.at_most(INT64_MAX)) return bad(begin, "tensor %s has more than 2^63 elements", title);
  SLUICE_TRY(const uint64_t type, number(4, title));
  tensor.format = find_block_format(uint32_t(type));
  if (!tensor.format) return bad(begin, "tensor %s has the unknown type %" PRIu64, title, type);
  const BlockFormat& format = *tensor.format;
  if (tensor.dims[0] % format.inputs != 0) {
    return bad(begin, "tensor %s has rows of %" PRIu64 " elements, not a multiple of the %u of a %s block", title,
               tensor.dims[0], format.inputs, format.name);
  }
  const CheckedU64 bytes = CheckedU64(elements.value() / format.inputs) * format.bytes;
  if (!bytes.at_most(INT64_MAX)) return bad(begin, "tensor %s has more than 2^63 bytes", title);
  tensor.bytes = bytes.value();
  SLUICE_TRY(tensor.offset, number(8, title));  // from the start of the data, until place_tensors
  if (!g_.tensor_index_.emplace(tensor.name, g_.tensors_.size()).second) {
    return bad(begin, "the tensor %s occurs twice", title);
  }
  g_.tensors_.push_back(std::move(tensor));
  return {};
}

// Offsets count from the aligned end of the header. Gaps are harmless; overlaps and what lies outside are refused.
Status GgufParser::place_tensors() {
  if (g_.tensors_.empty()) return {};
  const uint64_t data = round_up(at_, alignment_);
  for (GgufTensor& tensor : g_.tensors_) {
    if (tensor.offset % alignment_ != 0) {
      return bad(tensor.described_at, "the data of tensor %s at %" PRIu64 " is not aligned to %" PRIu64,
                 tensor.name.c_str(), tensor.offset, alignment_);
    }
    const CheckedU64 end = CheckedU64(data) + tensor.offset + tensor.bytes;
    if (!end.at_most(g_.file_.size())) {
      return bad(tensor.described_at,
                 "the data of tensor %s (%" PRIu64 " bytes at %" PRIu64 ") lies beyond the end of the file, %" PRIu64
                 " bytes",
                 tensor.name.c_str(), tensor.bytes, tensor.offset, g_.file_.size());
    }
    tensor.offset += data;
  }
  std::vector<const GgufTensor*> sorted;
  for (const GgufTensor& tensor : g_.tensors_) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i - 1]->offset + sorted[i - 1]->bytes > sorted[i]->offset) {
      return bad(sorted[i]->offset, "the tensors %s and %s overlap", sorted[i - 1]->name.c_str(),
                 sorted[i]->name.c_str());
    }
  }
  return {};
}

Status GgufParser::parse() {
  SLUICE_TRY(const uint64_t magic, number(4, "the magic number"));
  if (magic != 0x46554747) return bad(0, "not a GGUF file: it does not begin with \"GGUF\"");
  SLUICE_TRY(const uint64_t version, number(4, "the version"));
  if ((version & 0xffff) == 0) return bad(4, "a big-endian GGUF file; only little-endian files are read");
  if (version != 2 && version != 3) {
    return bad(4, "GGUF version %" PRIu64 "; versions 2 and 3 are read. Convert the model again with a current tool",
               version);
  }
  g_.version_ = uint32_t(version);
  SLUICE_TRY(const uint64_t n_tensors, number(8, "the number of tensors"));
  SLUICE_TRY(const uint64_t n_entries, number(8, "the number of keys"));
  if (n_tensors > kMaxGgufTensors || n_tensors > left() / kMinTensorBytes) {
    return bad(8, "%" PRIu64 " tensors, at most %" PRIu64 " are allowed and the file has %" PRIu64 " bytes left",
               n_tensors, kMaxGgufTensors, left());
  }
  if (n_entries > kMaxGgufEntries || n_entries > left() / kMinEntryBytes) {
    return bad(16, "%" PRIu64 " keys, at most %" PRIu64 " are allowed and the file has %" PRIu64 " bytes left",
               n_entries, kMaxGgufEntries, left());
  }
  for (uint64_t i = 0; i < n_entries; ++i) {
    SLUICE_TRY(const std::string key, name(kMaxGgufKeyBytes, "a key"));
    SLUICE_DO(value(key));
  }
  if (const GgufValue* a = g_.find("general.alignment")) {
    if (a->is_array || a->type != GgufType::kU32 || !std::has_single_bit(a->bits) || a->bits > kMaxGgufAlignment) {
      return bad(a->offset, "general.alignment is not a u32 power of two of at most %" PRIu64, kMaxGgufAlignment);
    }
    alignment_ = a->bits;
  }
  for (uint64_t i = 0; i < n_tensors; ++i) SLUICE_DO(tensor());
  return place_tensors();
}

Result<Gguf> Gguf::open_one(const std::string& path) {
  Gguf gguf;
  SLUICE_TRY(gguf.file_, InputFile::open(path, PageCache::kAvoid));
  SLUICE_DO(GgufParser(gguf).parse());
  return gguf;
}

}  // namespace sluice
