// SPDX-License-Identifier: Apache-2.0
// JSON text, written front to back. Unlike a document tree it never allocates while it is destroyed, so that a failed
// allocation stays an error.
#pragma once
#include <charconv>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice {

class JsonWriter {
 public:
  JsonWriter& object() { return open('{'); }
  JsonWriter& array() { return open('['); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& end_array() { return close(']'); }
  // Inside an object, before each value.
  JsonWriter& key(std::string_view name) {
    separate();
    quote(name);
    text_ += ':';
    first_ = true;  // the value that follows needs no comma
    return *this;
  }

  JsonWriter& value(std::string_view text) {
    separate();
    quote(text);
    return *this;
  }
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  template <class T>
  std::enable_if_t<std::is_arithmetic_v<T>, JsonWriter&> value(T number) {
    separate();
    if constexpr (std::is_same_v<T, bool>) {
      text_ += number ? "true" : "false";
    } else if (number - number != 0) {
      text_ += "null";  // infinities and NaN have no JSON form
    } else {
      char digits[32];
      text_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
    }
    return *this;
  }
  template <class T>
  JsonWriter& member(std::string_view name, const T& v) {
    key(name);
    return value(v);
  }

  std::string take() { return std::move(text_); }

 private:
  JsonWriter& open(char bracket) {
    separate();
    text_ += bracket;
    first_ = true;
    return *this;
  }
  JsonWriter& close(char bracket) {
    text_ += bracket;
    first_ = false;
    return *this;
  }
  void separate() {
    if (!first_) text_ += ',';
    first_ = false;
  }
  void quote(std::string_view text);

  std::string text_;
  bool first_ = true;
};

}  // namespace sluice
