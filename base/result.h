// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or an Error. Everything that comes from outside (files, models, memory, devices, arguments)
// is reported this way; our own bugs go through base/check.h. No exception but std::bad_alloc crosses a room.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace sluice {

// One list for the whole house; the public door and the exit codes of design §7 are derived from it.
enum class Code : uint8_t {
  kFailed = 1,   // failed at run time (I/O error, disk full)
  kUsage,        // wrong arguments
  kBadModel,     // missing, corrupt or unsupported model or input file
  kNoFit,        // does not fit the memory budget
  kNoDevice,     // device or ISA unavailable
  kNetwork,      // network failure
  kCancelled,    // interrupted by the user
  kNoMemory,     // an allocation failed
};

inline constexpr uint64_t kNoOffset = ~uint64_t{0};

struct Error {
  Code code = Code::kFailed;
  std::string message;          // expected, found: a full sentence without the place
  std::string place;            // file path, tensor or key the error is about; may be empty
  uint64_t offset = kNoOffset;  // byte offset inside `place`, if known

  // "PLACE at byte OFFSET: MESSAGE"
  std::string text() const;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : v_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : v_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return v_.index() == 0; }
  explicit operator bool() const { return ok(); }
  T& value() & { return *std::get_if<0>(&v_); }
  const T& value() const& { return *std::get_if<0>(&v_); }
  T&& value() && { return std::move(*std::get_if<0>(&v_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  Error& error() { return *std::get_if<1>(&v_); }
  const Error& error() const { return *std::get_if<1>(&v_); }

 private:
  std::variant<T, Error> v_;
};

struct Unit {};

// A Result without a value: `return {};` is success.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Unit) {}
  Status(Error error) : e_(std::move(error)), ok_(false) {}
  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  Error& error() { return e_; }
  const Error& error() const { return e_; }

 private:
  Error e_;
  bool ok_ = true;
};

// printf-style construction. `place` may be empty.
Error make_error(Code code, std::string place, uint64_t offset, const char* format, ...)
    __attribute__((format(printf, 4, 5)));

}  // namespace sluice

#define SLUICE_CONCAT_(a, b) a##b
#define SLUICE_CONCAT(a, b) SLUICE_CONCAT_(a, b)

// SLUICE_TRY(auto x, f()): x is f()'s value, or the enclosing function returns its error.
#define SLUICE_TRY(decl, expr) SLUICE_TRY_(SLUICE_CONCAT(try_result_, __LINE__), decl, expr)
#define SLUICE_TRY_(tmp, decl, expr)         \
  auto tmp = (expr);                         \
  if (!tmp.ok()) return std::move(tmp.error()); \
  decl = std::move(tmp).value()

// SLUICE_DO(f()): the enclosing function returns f()'s error if there is one.
#define SLUICE_DO(expr)                                              \
  do {                                                               \
    auto do_status_ = (expr);                                        \
    if (!do_status_.ok()) return std::move(do_status_.error());      \
  } while (0)
