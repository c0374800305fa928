// SPDX-License-Identifier: Apache-2.0
// The digits of all scripts, as Python's str and int() see them (Unicode 15.0). Finer than the class kNumber, which
// also holds fractions and Roman numerals.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::jinja {

int decimal_value(uint32_t code_point);  // 0 to 9 of a digit of a decimal number, else -1
bool is_digit(uint32_t code_point);      // such a digit, or one in a superscript, circle or the like

// The text with "0" to "9" for the decimal digits of other scripts.
std::string with_ascii_digits(std::string_view text);

}  // namespace sluice::jinja
