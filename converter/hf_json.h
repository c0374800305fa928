// SPDX-License-Identifier: Apache-2.0
// JSON read as it streams by: whoever asks names the kind of value that must come next and gets it, so that a file of
// any size costs one window of memory. Errors carry the file and the offset. JsonValues is a small file (or a part of
// one) as flat values: "rope_scaling.factor". Knows no key.
#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/result.h"
#include "converter/byte_window.h"

namespace sluice {

// Everything a hostile file could exaggerate. Each limit is tested at its edge.
inline constexpr uint32_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonKeyBytes = 64 << 10;
inline constexpr size_t kMaxJsonNumberBytes = 64;
inline constexpr size_t kMaxJsonValues = 65536;            // of a JsonValues
inline constexpr size_t kMaxJsonValueBytes = 4 << 20;      // keys and texts of a JsonValues together
inline constexpr uint64_t kMaxJsonFileBytes = 1ull << 30;  // of any file that is read as JSON

// kBadModel for more than kMaxJsonFileBytes.
Result<InputFile> open_json(const std::string& path);

enum class JsonKind : uint8_t { kObject, kArray, kText, kNumber, kTruth, kNull };
const char* json_kind_name(JsonKind kind);

struct JsonNumber {
  double real = 0;
  bool is_integer = false;  // and fits `integer`
  int64_t integer = 0;
};

class JsonReader {
 public:
  // The bytes [begin, end) of `file`, which must outlive the reader.
  JsonReader(const InputFile& file, uint64_t begin, uint64_t end);

  // What comes next, and where it begins.
  Result<JsonKind> peek();
  uint64_t at() const { return at_ + used_; }

  // Each takes one value of its kind. fn takes the value of the key or element by one of these, or skip().
  Status object(const std::function<Status(std::string_view key)>& fn);
  Status array(const std::function<Status(uint64_t index)>& fn);
  Result<std::string> text(size_t max_bytes);  // valid UTF-8
  Result<JsonNumber> number();
  Result<uint64_t> whole(uint64_t max, const char* what);  // 0 to max
  Result<bool> truth();
  Status skip();
  Status finish();  // nothing but white space is left

  Error bad(uint64_t offset, const char* format, ...) const __attribute__((format(printf, 3, 4)));

 private:
  int look();  // the next byte, -1 at the end or after an I/O error
  void take() { ++used_; }
  int look_past_space();
  Status expect(char c, const char* where);
  Status word(const char* letters);
  Status scan_text(std::string* out, size_t max_bytes);
  Status escape(std::string* out);
  Result<uint32_t> four_hex_digits();
  Status open(char c, JsonKind kind);

  const InputFile* file_;
  ByteWindow window_;
  const uint8_t* bytes_ = nullptr;
  uint64_t at_, end_;        // file offset of bytes_[0]; where the region ends
  size_t used_ = 0, n_ = 0;  // of bytes_
  uint32_t depth_ = 0;
  Status io_;
};

struct JsonValue {
  JsonKind kind = JsonKind::kNull;
  JsonNumber number;
  bool truth = false;
  std::string text;
  uint64_t count = 0;   // elements of an array, keys of an object
  uint64_t offset = 0;  // in the file
};

class JsonValues {
 public:
  // A whole file. `skipped` names keys of the outermost object that are not kept.
  static Result<JsonValues> read(const std::string& path, std::initializer_list<std::string_view> skipped = {});
  // The value that comes next in `json`.
  static Result<JsonValues> take(JsonReader& json, const std::string& path,
                                 std::initializer_list<std::string_view> skipped = {});

  const std::string& path() const { return path_; }
  // Null if there is no such value, or it is null. Elements of arrays are "key.0", "key.1".
  const JsonValue* find(std::string_view name) const;
  bool says_null(std::string_view name) const { return values_.contains(name) && !find(name); }
  std::string text(std::string_view name) const;                   // empty if it is no text
  bool truth(std::string_view name, bool fallback = false) const;  // fallback if it is no truth value
  uint64_t count(std::string_view name) const;                     // of an array or object, else 0
  // kBadModel for the first of these values that is there, not null, and of another kind.
  using Kind = std::pair<std::string_view, JsonKind>;
  Status expect(std::initializer_list<Kind> kinds, const std::string& prefix = "") const;
  Error error(std::string_view name, const std::string& reason) const;

 private:
  Status add(JsonReader& json, const std::string& name, std::initializer_list<std::string_view> skipped);
  std::string path_;
  size_t bytes_ = 0;
  std::map<std::string, JsonValue, std::less<>> values_;
};

}  // namespace sluice
