// SPDX-License-Identifier: Apache-2.0
// Checked<T>: unsigned arithmetic for numbers that come from a file. An overflow sticks; ask valid() once at the end.
#pragma once
#include <cstdint>
#include <type_traits>

namespace sluice {

template <class T>
class Checked {
  static_assert(std::is_unsigned_v<T>);

 public:
  constexpr Checked(T value) : value_(value) {}
  constexpr bool valid() const { return valid_; }
  constexpr T value() const { return value_; }  // meaningful only when valid()

  friend constexpr Checked operator+(Checked a, Checked b) {
    Checked r(0);
    r.valid_ = !__builtin_add_overflow(a.value_, b.value_, &r.value_) && a.valid_ && b.valid_;
    return r;
  }
  friend constexpr Checked operator-(Checked a, Checked b) {
    Checked r(0);
    r.valid_ = !__builtin_sub_overflow(a.value_, b.value_, &r.value_) && a.valid_ && b.valid_;
    return r;
  }
  friend constexpr Checked operator*(Checked a, Checked b) {
    Checked r(0);
    r.valid_ = !__builtin_mul_overflow(a.value_, b.value_, &r.value_) && a.valid_ && b.valid_;
    return r;
  }
  // True only for a valid number that is at most `limit`.
  constexpr bool at_most(T limit) const { return valid_ && value_ <= limit; }

 private:
  T value_;
  bool valid_ = true;
};

using CheckedU64 = Checked<uint64_t>;

// Smallest multiple of `alignment` (not zero) that is at least `n`.
constexpr uint64_t round_up(uint64_t n, uint64_t alignment) { return (n + alignment - 1) / alignment * alignment; }
constexpr CheckedU64 round_up(CheckedU64 n, uint64_t alignment) {
  CheckedU64 padded = n + CheckedU64(alignment - 1);
  return padded - CheckedU64(padded.value() % alignment);
}

}  // namespace sluice
