// SPDX-License-Identifier: Apache-2.0
// Importance files: the GGUF form that llama.cpp's imatrix tool writes, so that either program reads the other's. Per
// matrix two tensors, NAME.in_sum2 (sums of squares per input column) and NAME.counts (how many activations).
#include <cmath>
#include <cstring>
#include <string_view>

#include "base/checked.h"
#include "converter/byte_window.h"
#include "converter/gguf.h"
#include "sluice/convert.h"

namespace sluice {

namespace {

constexpr uint64_t kMaxImportanceBytes = 64 << 20;  // far beyond any model: the list is held in memory
constexpr size_t kWindow = 256 << 10;
constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";
constexpr uint32_t kF32 = 0;

Result<std::vector<float>> read_numbers(const Gguf& gguf, const GgufTensor& tensor) {
  if (tensor.format->type != kF32) {
    return make_error(Code::kBadModel, gguf.file_of(tensor).path(), tensor.described_at,
                      "tensor %s has the type %s, expected F32", tensor.name.c_str(), tensor.format->name);
  }
  ByteWindow window(gguf.file_of(tensor), kWindow);
  std::vector<float> numbers;
  const uint64_t n = tensor.bytes / sizeof(float);  // lies inside the file, and that is small
  numbers.resize(size_t(n));
  for (uint64_t i = 0; i < n; ++i) {
    SLUICE_TRY(const uint8_t* at, window.view(tensor.offset + i * sizeof(float), sizeof(float)));
    memcpy(&numbers[i], at, sizeof(float));
    if (!std::isfinite(numbers[i]) || numbers[i] < 0) {
      return make_error(Code::kBadModel, gguf.file_of(tensor).path(), tensor.offset + i * sizeof(float),
                        "tensor %s has a number that is negative or not finite", tensor.name.c_str());
    }
  }
  return numbers;
}

// A GGUF file in memory, piece by piece.
class Bytes {
 public:
  template <class T>
  void number(T x) {
    const auto* p = reinterpret_cast<const std::byte*>(&x);
    bytes_.insert(bytes_.end(), p, p + sizeof x);
  }
  void raw(const void* from, size_t n) {
    const auto* p = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), p, p + n);
  }
  void text(std::string_view s) {
    number(uint64_t(s.size()));
    raw(s.data(), s.size());
  }
  void key(std::string_view name, GgufType type) {
    text(name);
    number(uint32_t(type));
  }
  void align() { bytes_.resize(round_up(bytes_.size(), kDefaultGgufAlignment)); }
  std::span<const std::byte> all() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace

Result<std::vector<InputImportance>> read_importance(const std::string& path) {
  SLUICE_TRY(const Gguf gguf, Gguf::open(path));
  SLUICE_TRY(const std::string kind, gguf.text("general.type", ""));
  if (kind != "imatrix") {
    return make_error(Code::kBadModel, path, kNoOffset, "not an importance file: general.type is \"%.40s\"",
                      kind.c_str());
  }
  if (gguf.total_bytes() > kMaxImportanceBytes) {
    return make_error(Code::kBadModel, path, kNoOffset, "the file has %llu bytes, importance files have at most %llu",
                      static_cast<unsigned long long>(gguf.total_bytes()),
                      static_cast<unsigned long long>(kMaxImportanceBytes));
  }
  std::vector<InputImportance> list;
  for (const GgufTensor& sums : gguf.tensors()) {
    if (!sums.name.ends_with(kSums)) continue;
    InputImportance entry;
    entry.tensor = sums.name.substr(0, sums.name.size() - kSums.size());
    const GgufTensor* counts = gguf.find_tensor(entry.tensor + std::string(kCounts));
    if (!counts || counts->dims[0] != 1 || counts->n_rows() != sums.n_rows()) {
      return make_error(Code::kBadModel, path, sums.described_at, "tensor %s has no counts that fit it",
                        sums.name.c_str());
    }
    if (sums.n_rows() != 1) continue;  // several matrices in one: models with experts
    SLUICE_TRY(const std::vector<float> count, read_numbers(gguf, *counts));
    SLUICE_TRY(entry.mean_squares, read_numbers(gguf, sums));
    if (count[0] < 1) continue;  // never used
    entry.rows = uint64_t(std::min(count[0], 1e18f));
    for (float& x : entry.mean_squares) x /= count[0];
    list.push_back(std::move(entry));
  }
  if (list.empty()) return make_error(Code::kBadModel, path, kNoOffset, "the importance file has no usable entry");
  return list;
}

Status write_importance(const std::string& path, const std::vector<InputImportance>& list, const std::string& text_name,
                        uint32_t n_windows, uint32_t window_tokens) {
  for (const InputImportance& entry : list) {
    for (float mean : entry.mean_squares) {
      const float sum = mean * float(entry.rows);
      if (std::isfinite(sum) && sum >= 0) continue;
      return make_error(Code::kFailed, path, kNoOffset,
                        "the inputs of %s were infinite or not a number; no file was written", entry.tensor.c_str());
    }
  }
  Bytes file;
  file.raw("GGUF", 4);
  file.number(uint32_t{3});
  file.number(uint64_t(2 * list.size()));
  file.number(uint64_t{4});
  file.key("general.type", GgufType::kText);
  file.text("imatrix");
  file.key("imatrix.datasets", GgufType::kArray);
  file.number(uint32_t(GgufType::kText));
  file.number(uint64_t{1});
  file.text(text_name);
  file.key("imatrix.chunk_count", GgufType::kU32);
  file.number(n_windows);
  file.key("imatrix.chunk_size", GgufType::kU32);
  file.number(window_tokens);
  uint64_t offset = 0;
  const auto describe = [&](const std::string& name, uint64_t n) {
    file.text(name);
    file.number(uint32_t{2});
    file.number(n);
    file.number(uint64_t{1});
    file.number(kF32);
    file.number(offset);
    offset = round_up(offset + n * sizeof(float), kDefaultGgufAlignment);
  };
  for (const InputImportance& entry : list) {
    describe(entry.tensor + std::string(kSums), entry.mean_squares.size());
    describe(entry.tensor + std::string(kCounts), 1);
  }
  for (const InputImportance& entry : list) {
    file.align();
    for (float mean : entry.mean_squares) file.number(mean * float(entry.rows));
    file.align();
    file.number(float(entry.rows));
  }
  file.align();
  return write_small_file(path, file.all());
}

}  // namespace sluice
