// SPDX-License-Identifier: Apache-2.0
// A GGUF model (version 2 or 3, little-endian) in one file or in several parts, fully validated before anything is made
// of it: afterwards every tensor lies inside its file and every array is as long as it says. Arrays and texts stay on
// disk and are read on demand, so that a vocabulary of 262144 tokens costs no memory here. Knows the container, no
// architecture and no block format. Other sources say in the same terms what they hold (hf_assembler.h).
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "converter/block_formats.h"
#include "converter/byte_window.h"

namespace sluice {

// Everything a hostile file could exaggerate. Each limit is tested at its edge.
inline constexpr uint64_t kMaxGgufKeyBytes = 64 << 10;
inline constexpr uint64_t kMaxGgufTextBytes = 16 << 20;
inline constexpr uint64_t kMaxGgufEntries = 65536;
inline constexpr uint64_t kMaxGgufTensors = 65536;
inline constexpr uint64_t kMaxGgufTensorName = 63;
inline constexpr uint64_t kMaxGgufAlignment = 1 << 20;
inline constexpr uint32_t kMaxGgufDims = 4;
inline constexpr uint64_t kDefaultGgufAlignment = 32;
inline constexpr uint32_t kMaxGgufParts = 512;  // all are open at a time

enum class GgufType : uint32_t {
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kText,
  kArray,
  kU64,
  kI64,
  kF64,
  kCount
};
const char* gguf_type_name(GgufType type);

struct GgufValue {
  GgufType type = GgufType::kU8;  // of the value, or of the elements
  bool is_array = false;
  uint64_t bits = 0;    // a number's bytes; signed ones extended to 64 bits
  uint64_t count = 0;   // elements of an array, bytes of a text
  uint64_t offset = 0;  // of the first element or byte in the file
};

struct GgufTensor {
  std::string name;
  uint32_t n_dims = 0;
  uint64_t dims[kMaxGgufDims] = {1, 1, 1, 1};  // dims[0] is the contiguous one: inputs of a matrix
  const BlockFormat* format = nullptr;
  uint32_t part = 0;          // the file it lies in
  uint64_t described_at = 0;  // offset of its description in that file
  uint64_t offset = 0;        // of its data, from the start of that file
  uint64_t bytes = 0;
  std::string origin;         // its name in a source that is no GGUF file
  float times = 1, plus = 0;  // what the model means by a number w of the source: times * w + plus

  uint64_t n_rows() const { return dims[1] * dims[2] * dims[3]; }
  uint64_t row_bytes() const { return dims[0] / format->inputs * format->bytes; }
  std::string shape() const;                                                   // "[576, 1536]"
  const std::string& title() const { return origin.empty() ? name : origin; }  // for messages
  bool as_stored() const { return times == 1 && plus == 0; }
};

class Gguf {
 public:
  // kBadModel with the offset and the reason for whatever is wrong with the file. A part of a split model, whichever,
  // opens the whole model: the other parts lie beside it, named PREFIX-00001-of-00003.gguf and so on.
  static Result<Gguf> open(const std::string& path);

  const InputFile& file() const { return file_; }  // the one with the metadata: the first part
  const InputFile& file_of(const GgufTensor& tensor) const { return tensor.part ? more_[tensor.part - 1] : file_; }
  std::vector<std::string> paths() const;  // of all parts, in order
  uint64_t total_bytes() const;
  uint32_t version() const { return version_; }
  const char* container() const { return container_; }
  // Rows of Q and K lie in pairs in GGUF files of some families, half-split everywhere else.
  bool half_split() const { return half_split_; }
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find_tensor(std::string_view name) const;  // null if there is none

  bool has(std::string_view key) const { return find(key) != nullptr; }
  const GgufValue* find(std::string_view key) const;
  const std::map<std::string, GgufValue, std::less<>>& values() const { return values_; }

  // One number, truth value or text. kBadModel if the key is missing, has another type or a value outside the limits;
  // the forms with `fallback` accept only the missing key. Any integer type will do for an integer, any number for a
  // real one.
  Result<uint32_t> integer(std::string_view key, uint32_t min, uint32_t max) const;
  Result<uint32_t> integer(std::string_view key, uint32_t min, uint32_t max, uint32_t fallback) const;
  Result<double> real(std::string_view key) const;  // finite
  Result<double> real(std::string_view key, double fallback) const;
  Result<bool> truth(std::string_view key, bool fallback) const;
  Result<std::string> text(std::string_view key) const;  // valid UTF-8
  Result<std::string> text(std::string_view key, std::string_view fallback) const;

  // Arrays of numbers, at most `max` elements. Integers in a real array are converted; never the other way round.
  Result<std::vector<uint32_t>> integers(std::string_view key, uint64_t max) const;
  Result<std::vector<float>> reals(std::string_view key, uint64_t max) const;

  // An array of at most `max` bytes; empty if there is no such key.
  Result<std::vector<uint8_t>> bytes(std::string_view key, uint64_t max) const;

  // Calls fn(index, bytes) for every text of an array; stops at the first error it returns.
  Status for_each_text(std::string_view key, const std::function<Status(uint64_t, std::string_view)>& fn) const;

  // An error about a key, with its place in the file if it has one.
  Error key_error(std::string_view key, const std::string& reason) const;

 private:
  friend class GgufParser;
  friend class HfAssembler;
  static Result<Gguf> open_one(const std::string& path);
  Status add_part(Gguf part, uint32_t index);
  ByteWindow values_window(size_t bytes) const;

  // Where a value came from that some other file spells in another way.
  struct Origin {
    std::string path, name;
    uint64_t offset;
  };

  InputFile file_;
  std::vector<InputFile> more_;  // parts 1, 2, …
  uint32_t version_ = 0;
  const char* container_ = "GGUF";
  bool half_split_ = false;
  std::vector<uint8_t> assembled_;  // where the offsets of values point to if they are not those of file_
  std::map<std::string, Origin, std::less<>> origins_;
  std::map<std::string, GgufValue, std::less<>> values_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string, size_t, std::less<>> tensor_index_;
};

// Paths of all parts of the split model that `path` is one of, by its name; empty if the name is not that of a part.
std::vector<std::string> part_paths(const std::string& path);

// True for well-formed UTF-8 without overlong forms and surrogates.
bool is_utf8(std::string_view text);

}  // namespace sluice
