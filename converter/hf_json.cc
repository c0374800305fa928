// SPDX-License-Identifier: Apache-2.0
#include "converter/hf_json.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "converter/gguf.h"

namespace sluice {

namespace {

constexpr size_t kWindow = 256 << 10;

bool is_space(int c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(int c) { return c >= '0' && c <= '9'; }

void append_utf8(uint32_t c, std::string& out) {
  if (c < 0x80) {
    out.push_back(char(c));
    return;
  }
  const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  constexpr uint8_t kLead[] = {0, 0xc0, 0xe0, 0xf0};
  out.push_back(char(kLead[more] | c >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) out.push_back(char(0x80 | (c >> (6 * i) & 63)));
}

// -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?
bool is_number(std::string_view s, bool& whole) {
  size_t i = 0;
  const auto digits = [&] {
    const size_t begin = i;
    while (i < s.size() && is_digit(s[i])) ++i;
    return i > begin;
  };
  if (i < s.size() && s[i] == '-') ++i;
  const size_t first = i;
  if (!digits() || (s[first] == '0' && i > first + 1)) return false;
  whole = i == s.size();
  if (i < s.size() && s[i] == '.' && (++i, !digits())) return false;
  if (i < s.size() && (s[i] == 'e' || s[i] == 'E')) {
    ++i;
    if (i < s.size() && (s[i] == '+' || s[i] == '-')) ++i;
    if (!digits()) return false;
  }
  return i == s.size();
}

}  // namespace

const char* json_kind_name(JsonKind kind) {
  constexpr const char* kNames[] = {"an object", "a list", "a text", "a number", "a truth value", "null"};
  return kNames[size_t(kind)];
}

JsonReader::JsonReader(const InputFile& file, uint64_t begin, uint64_t end)
    : file_(&file), window_(file, kWindow), at_(begin), end_(end) {}

Error JsonReader::bad(uint64_t offset, const char* format, ...) const {
  if (!io_.ok()) return io_.error();
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return make_error(Code::kBadModel, file_->path(), offset, "%s", text);
}

int JsonReader::look() {
  if (used_ < n_) return bytes_[used_];
  at_ += used_;
  used_ = n_ = 0;
  const size_t n = size_t(std::min<uint64_t>(kWindow, end_ - at_));
  if (n == 0 || !io_.ok()) return -1;
  auto bytes = window_.view(at_, n);
  if (!bytes.ok()) {
    io_ = bytes.error();
    return -1;
  }
  bytes_ = *bytes, n_ = n;
  return bytes_[0];
}

int JsonReader::look_past_space() {
  while (is_space(look())) take();
  return look();
}

Status JsonReader::expect(char c, const char* where) {
  const int found = look_past_space();
  if (found < 0) return bad(at(), "the JSON text ends %s", where);
  if (found != c) return bad(at(), "expected '%c' %s", c, where);
  take();
  return {};
}

Result<JsonKind> JsonReader::peek() {
  const int c = look_past_space();
  if (c == '{') return JsonKind::kObject;
  if (c == '[') return JsonKind::kArray;
  if (c == '"') return JsonKind::kText;
  if (c == '-' || is_digit(c)) return JsonKind::kNumber;
  if (c == 't' || c == 'f') return JsonKind::kTruth;
  if (c == 'n') return JsonKind::kNull;
  return c < 0 ? bad(at(), "the JSON text ends where a value was expected") : bad(at(), "expected a JSON value");
}

Status JsonReader::open(char c, JsonKind kind) {
  SLUICE_TRY(const JsonKind found, peek());
  if (found != kind) return bad(at(), "%s stands where %s was expected", json_kind_name(found), json_kind_name(kind));
  if (depth_ == kMaxJsonDepth) return bad(at(), "JSON that is more than %u levels deep", kMaxJsonDepth);
  ++depth_;
  return expect(c, "here");
}

Status JsonReader::object(const std::function<Status(std::string_view)>& fn) {
  SLUICE_DO(open('{', JsonKind::kObject));
  std::string key;
  for (bool first = true;; first = false) {
    if (first && look_past_space() == '}') break;
    if (look_past_space() != '"') return bad(at(), "expected a key");
    SLUICE_DO(scan_text(&key, kMaxJsonKeyBytes));
    SLUICE_DO(expect(':', "after a key"));
    SLUICE_DO(fn(key));
    if (look_past_space() != ',') break;
    take();
  }
  --depth_;
  return expect('}', "at the end of an object");
}

Status JsonReader::array(const std::function<Status(uint64_t)>& fn) {
  SLUICE_DO(open('[', JsonKind::kArray));
  for (uint64_t i = 0;; ++i) {
    if (i == 0 && look_past_space() == ']') break;
    SLUICE_DO(fn(i));
    if (look_past_space() != ',') break;
    take();
  }
  --depth_;
  return expect(']', "at the end of a list");
}

Result<uint32_t> JsonReader::four_hex_digits() {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const int c = look();
    const int digit = is_digit(c)            ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return bad(at(), "expected four hexadecimal digits after \\u");
    value = value << 4 | uint32_t(digit);
    take();
  }
  return value;
}

// What follows a backslash.
Status JsonReader::escape(std::string* out) {
  const uint64_t begin = at();
  const int c = look();
  constexpr std::string_view kLetters = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
  const size_t simple = c < 0 ? kLetters.npos : kLetters.find(char(c));
  if (simple == kLetters.npos && c != 'u') return bad(begin, "an unknown escape in a text");
  take();
  if (simple != kLetters.npos) {
    if (out) out->push_back(kMeanings[simple]);
    return {};
  }
  SLUICE_TRY(uint32_t code, four_hex_digits());
  if (code >= 0xd800 && code < 0xdc00 && look() == '\\') {
    take();
    if (look() != 'u') return bad(at(), "half of a surrogate pair in a text");
    take();
    SLUICE_TRY(const uint32_t low, four_hex_digits());
    if (low < 0xdc00 || low > 0xdfff) return bad(begin, "half of a surrogate pair in a text");
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  if (code >= 0xd800 && code < 0xe000) return bad(begin, "half of a surrogate pair in a text");
  if (out) append_utf8(code, *out);
  return {};
}

Status JsonReader::scan_text(std::string* out, size_t max_bytes) {
  if (out) out->clear();
  const uint64_t begin = at();
  take();
  for (;;) {
    const int c = look();
    if (c < 0) return bad(begin, "a text has no end");
    if (c < 0x20) return bad(at(), "a control character in a text");
    take();
    if (c == '"') break;
    if (c == '\\') {
      SLUICE_DO(escape(out));
    } else if (out) {
      out->push_back(char(c));
    }
    if (out && out->size() > max_bytes) return bad(begin, "a text of more than %zu bytes", max_bytes);
  }
  if (out && !is_utf8(*out)) return bad(begin, "a text is not UTF-8");
  return {};
}

Result<std::string> JsonReader::text(size_t max_bytes) {
  SLUICE_TRY(const JsonKind kind, peek());
  if (kind != JsonKind::kText) return bad(at(), "%s stands where a text was expected", json_kind_name(kind));
  std::string out;
  SLUICE_DO(scan_text(&out, max_bytes));
  return out;
}

Result<JsonNumber> JsonReader::number() {
  SLUICE_TRY(const JsonKind kind, peek());
  if (kind != JsonKind::kNumber) return bad(at(), "%s stands where a number was expected", json_kind_name(kind));
  const uint64_t begin = at();
  std::string digits;
  for (int c = look(); is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'; c = look()) {
    if (digits.size() == kMaxJsonNumberBytes) return bad(begin, "a number of more than %zu bytes", kMaxJsonNumberBytes);
    digits.push_back(char(c));
    take();
  }
  JsonNumber n;
  bool whole = false;
  if (!is_number(digits, whole)) return bad(begin, "%s is no JSON number", digits.c_str());
  const char* end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, n.real);
  if (parsed.ec != std::errc() || !std::isfinite(n.real)) {
    return bad(begin, "the number %s is out of range", digits.c_str());
  }
  n.is_integer = whole && std::from_chars(digits.data(), end, n.integer).ec == std::errc();
  return n;
}

Result<uint64_t> JsonReader::whole(uint64_t max, const char* what) {
  SLUICE_TRY(const JsonKind kind, peek());
  const uint64_t begin = at();
  if (kind != JsonKind::kNumber) return bad(begin, "%s is %s, expected a whole number", what, json_kind_name(kind));
  SLUICE_TRY(const JsonNumber n, number());
  if (!n.is_integer || n.integer < 0 || uint64_t(n.integer) > max) {
    return bad(begin, "%s is no whole number from 0 to %llu", what, static_cast<unsigned long long>(max));
  }
  return uint64_t(n.integer);
}

Status JsonReader::word(const char* letters) {
  const uint64_t begin = at();
  for (const char* p = letters; *p; ++p) {
    if (look() != *p) return bad(begin, "expected %s", letters);
    take();
  }
  return {};
}

Result<bool> JsonReader::truth() {
  SLUICE_TRY(const JsonKind kind, peek());
  if (kind != JsonKind::kTruth) return bad(at(), "%s stands where a truth value was expected", json_kind_name(kind));
  const bool value = look() == 't';
  SLUICE_DO(word(value ? "true" : "false"));
  return value;
}

Status JsonReader::skip() {
  SLUICE_TRY(const JsonKind kind, peek());
  switch (kind) {
    case JsonKind::kObject:
      return object([&](std::string_view) { return skip(); });
    case JsonKind::kArray:
      return array([&](uint64_t) { return skip(); });
    case JsonKind::kText:
      return scan_text(nullptr, 0);
    case JsonKind::kNumber: {
      const auto n = number();
      return n.ok() ? Status() : Status(n.error());
    }
    case JsonKind::kTruth: {
      const auto value = truth();
      return value.ok() ? Status() : Status(value.error());
    }
    default:
      return word("null");
  }
}

Status JsonReader::finish() {
  if (look_past_space() >= 0) return bad(at(), "something follows the end of the JSON text");
  return io_;
}

Result<InputFile> open_json(const std::string& path) {
  SLUICE_TRY(InputFile file, InputFile::open(path, PageCache::kAvoid));
  if (file.size() > kMaxJsonFileBytes) {
    return make_error(Code::kBadModel, path, kNoOffset, "%llu bytes of JSON, at most %llu are read",
                      static_cast<unsigned long long>(file.size()), static_cast<unsigned long long>(kMaxJsonFileBytes));
  }
  return file;
}

// ---- flat values -------------------------------------------------------------------------------------------------

Status JsonValues::add(JsonReader& json, const std::string& name, std::initializer_list<std::string_view> skipped) {
  JsonValue value;
  SLUICE_TRY(value.kind, json.peek());
  value.offset = json.at();
  if (name.size() > kMaxJsonKeyBytes) return json.bad(value.offset, "keys of more than %zu bytes", kMaxJsonKeyBytes);
  const auto child = [&](std::string_view key) {
    return name.empty() ? std::string(key) : name + "." + std::string(key);
  };
  switch (value.kind) {
    case JsonKind::kObject:
      SLUICE_DO(json.object([&](std::string_view key) -> Status {
        if (name.empty() && std::find(skipped.begin(), skipped.end(), key) != skipped.end()) return json.skip();
        ++value.count;
        return add(json, child(key), skipped);
      }));
      break;
    case JsonKind::kArray:
      SLUICE_DO(json.array([&](uint64_t i) -> Status {
        ++value.count;
        return add(json, child(std::to_string(i)), skipped);
      }));
      break;
    case JsonKind::kText: {
      SLUICE_TRY(value.text, json.text(kMaxJsonValueBytes));
      break;
    }
    case JsonKind::kNumber: {
      SLUICE_TRY(value.number, json.number());
      break;
    }
    case JsonKind::kTruth: {
      SLUICE_TRY(value.truth, json.truth());
      break;
    }
    case JsonKind::kNull:
      SLUICE_DO(json.skip());
      break;
  }
  bytes_ += name.size() + value.text.size();
  if (bytes_ > kMaxJsonValueBytes || values_.size() == kMaxJsonValues) {
    return json.bad(value.offset, "more than %zu values or %zu bytes of text", kMaxJsonValues, kMaxJsonValueBytes);
  }
  const uint64_t offset = value.offset;
  if (!values_.emplace(name, std::move(value)).second) {
    return json.bad(offset, "the key %s occurs twice", name.c_str());
  }
  return {};
}

Result<JsonValues> JsonValues::take(JsonReader& json, const std::string& path,
                                    std::initializer_list<std::string_view> skipped) {
  JsonValues values;
  values.path_ = path;
  SLUICE_DO(values.add(json, "", skipped));
  return values;
}

Result<JsonValues> JsonValues::read(const std::string& path, std::initializer_list<std::string_view> skipped) {
  SLUICE_TRY(const InputFile file, open_json(path));
  JsonReader json(file, 0, file.size());
  SLUICE_TRY(const JsonKind kind, json.peek());
  if (kind != JsonKind::kObject) return json.bad(json.at(), "%s, expected an object", json_kind_name(kind));
  SLUICE_TRY(JsonValues values, take(json, path, skipped));
  SLUICE_DO(json.finish());
  return values;
}

const JsonValue* JsonValues::find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() || found->second.kind == JsonKind::kNull ? nullptr : &found->second;
}

std::string JsonValues::text(std::string_view name) const {
  const JsonValue* value = find(name);
  return value ? value->text : std::string();
}

bool JsonValues::truth(std::string_view name, bool fallback) const {
  const JsonValue* value = find(name);
  return value && value->kind == JsonKind::kTruth ? value->truth : fallback;
}

uint64_t JsonValues::count(std::string_view name) const {
  const JsonValue* value = find(name);
  return value ? value->count : 0;
}

Status JsonValues::expect(std::initializer_list<Kind> kinds, const std::string& prefix) const {
  for (const auto& [name, kind] : kinds) {
    const std::string whole = prefix + std::string(name);
    const JsonValue* value = find(whole);
    if (!value || value->kind == kind) continue;
    return error(whole, std::string("is ") + json_kind_name(value->kind) + ", expected " + json_kind_name(kind));
  }
  return {};
}

Error JsonValues::error(std::string_view name, const std::string& reason) const {
  const JsonValue* value = find(name);
  constexpr size_t kShown = 200;
  return make_error(Code::kBadModel, path_, value ? value->offset : kNoOffset, "%.*s %s",
                    int(std::min(name.size(), kShown)), name.data(), reason.c_str());
}

}  // namespace sluice
