// SPDX-License-Identifier: Apache-2.0
// The values that templates compute with: Python's, as far as templates see them. Strings, lists and dicts are shared
// and do not change, but for list.append and list.pop of plain values; so no list or dict ever contains itself.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::jinja {

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kDict,
  kNamespace,
  kMacro,
  kLoop,
  kFunction,
  kMethod
};

// Containers nest at most so deep: destructors and printing recurse. And they hold at most so many items and bytes of
// text, those of items that occur twice counted twice: [x, x] of [x, x] of … would take for ever to print.
inline constexpr uint32_t kMaxValueDepth = 200;
inline constexpr uint64_t kMaxValueWeight = 64 << 20;

// What evaluation may still cost. A unit is the work of copying a byte, a few nanoseconds at most; whatever walks over
// values of the template's own making takes what it does from here, and stops where there is nothing left.
struct Work {
  uint64_t left = UINT64_MAX;
  bool spent = false;

  bool take(uint64_t units) {
    if (units > left) spent = true;
    left = spent ? 0 : left - units;
    return !spent;
  }
};
inline constexpr uint64_t kCompareWork = 4;  // of two values, apart from the bytes of texts

struct Object {
  virtual ~Object() = default;
};

struct Value {
  Kind kind = Kind::kUndefined;
  union {
    bool b;
    int64_t i;  // kInt; kUndefined: 1 + index of the name that was missing; kFunction: which
    double d;
  };
  std::shared_ptr<Object> object;

  Value() : i(0) {}
  static Value none();
  static Value boolean(bool b);
  static Value integer(int64_t i);
  static Value number(double d);
  static Value string(std::string s, bool safe = false);

  bool undefined() const { return kind == Kind::kUndefined; }
  bool is(Kind k) const { return kind == k; }
  bool numeric() const { return kind == Kind::kBool || kind == Kind::kInt || kind == Kind::kFloat; }
  bool integral() const { return kind == Kind::kBool || kind == Kind::kInt; }
  int64_t as_int() const { return kind == Kind::kBool ? int64_t(b) : i; }
  double as_double() const { return kind == Kind::kFloat ? d : double(as_int()); }

  const std::string& text() const;  // kString
  bool safe() const;                // a text marked by the filters safe and escape
  struct List& list() const;        // kList
  struct Dict& dict() const;        // kDict
  template <class T>
  T& as() const {
    return static_cast<T&>(*object);
  }
};

// A safe text is Python's Markup: what is added to it or put into it gets escaped.
struct Text : Object {
  std::string s;
  bool safe = false;
};

// What Python tells apart. A generator is always true and has no length; keys, values and items are views of a dict.
enum class ListKind : uint8_t { kList, kTuple, kGenerator, kKeys, kValues, kItems };

struct Container : Object {
  uint32_t depth = 1;   // 1 + that of the deepest item
  uint64_t weight = 1;  // 1 + those of the items
  bool frozen = false;  // is itself an item of something, so its weight must not change any more
  bool plain = true;    // no loop, macro, method or namespace is inside
  void count(const Value& item);
};

struct List : Container {
  std::vector<Value> items;
  ListKind list_kind = ListKind::kList;
};

struct Dict : Container {
  std::vector<std::pair<Value, Value>> items;  // in order of insertion

  const Value* find(const Value& key, Work& work) const;
  const Value* find(std::string_view key, Work& work) const;
  const Value* find(std::string_view key) const;  // however long it takes
};

// namespace(): the only thing whose members templates assign.
struct Namespace : Object {
  std::map<std::string, Value, std::less<>> members;
};

// A method that was looked up but not called yet.
struct Method : Object {
  Value self;
  std::string name;
};

uint32_t depth_of(const Value& v);
bool is_plain(const Value& v);
uint64_t weight_of(const Value& v);
inline bool too_large(const Value& v) { return depth_of(v) > kMaxValueDepth || weight_of(v) > kMaxValueWeight; }
Value make_list(std::vector<Value> items, ListKind kind = ListKind::kList);
Value make_dict(std::vector<std::pair<Value, Value>> items);  // keys are different

// A string from bytes of any kind: what is not UTF-8 becomes U+FFFD.
Value string_of_bytes(std::string_view bytes);

const char* type_name(const Value& v);  // Python's: "str", "int", …
bool truth(const Value& v);
bool hashable(const Value& v, Work& work);               // may be the key of a dict; false too once the work is spent
bool equal(const Value& a, const Value& b, Work& work);  // false too once the work is spent

// -1, 0, 1, or 2 if Python refuses to order the two.
int compare(const Value& a, const Value& b, Work& work);

// str(v) and repr(v). They stop soon after `out` is longer than `max_bytes`.
void print(const Value& v, std::string& out, size_t max_bytes = SIZE_MAX);
void print_repr(const Value& v, std::string& out, size_t max_bytes = SIZE_MAX);

struct JsonStyle {
  bool lines = false;  // each item on one of its own
  std::string indent;
  bool sort_keys = false, ascii = false;
  std::string item_separator = ", ", key_separator = ": ";
  size_t max_bytes = SIZE_MAX;
};
// json.dumps(v); false for what it refuses, and where `out` has become longer than max_bytes.
bool print_json(const Value& v, const JsonStyle& style, std::string& out, int level = 0);

}  // namespace sluice::jinja
