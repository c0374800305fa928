// SPDX-License-Identifier: Apache-2.0
#include "converter/source_weights.h"

#include <bit>
#include <cmath>

#include "base/check.h"
#include "base/half.h"
#include "converter/block_formats.h"

namespace sluice {

namespace {

float half(const uint8_t* p) { return f16_to_f32(uint16_t(p[0] | p[1] << 8)); }

uint64_t bytes_of(const uint8_t* p, int n) {
  uint64_t all = 0;
  for (int i = 0; i < n; ++i) all |= uint64_t(p[i]) << (8 * i);
  return all;
}
int low(uint8_t x) { return x & 15; }
int high(uint8_t x) { return x >> 4; }
int nibble(const uint8_t* qs, int i) { return i < 16 ? low(qs[i]) : high(qs[i - 16]); }
int bit(const uint8_t* bytes, int i) { return bytes[i / 8] >> (i % 8) & 1; }

int k_scale(const uint8_t* s, int j) { return j < 4 ? s[j] & 63 : low(s[j + 4]) | (s[j - 4] >> 6) << 4; }
int k_minimum(const uint8_t* s, int j) { return j < 4 ? s[j + 4] & 63 : high(s[j + 4]) | (s[j] >> 6) << 4; }

float power_of_two(int exponent) { return std::ldexp(1.0f, exponent); }
float ue4m3(uint8_t x) {  // halved
  const int exponent = (x >> 3) & 15, fraction = x & 7;
  if (x == 0x7f) return 0;
  return exponent ? (1 + float(fraction) / 8) * power_of_two(exponent - 8) : float(fraction) * power_of_two(-10);
}
int pair_of_256(const uint8_t* qs, int i) { return qs[i / 128 * 32 + i % 32] >> (2 * (i % 128 / 32)) & 3; }
// Digit n (the first is the highest) of a number of five base-3 digits, stored as ceil(number * 256 / 243).
int base_3_digit(uint8_t byte, int n) {
  int number = byte * 243 / 256;  // rounded down again
  for (int left = 4 - n; left > 0; --left) number /= 3;
  return number % 3;
}
constexpr int kFp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
constexpr int kValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

}  // namespace

float source_weight(const BlockFormat& format, const uint8_t* blocks, uint64_t index) {
  const uint8_t* b = blocks + index / format.inputs * format.bytes;
  const int i = int(index % format.inputs);
  switch (format.type) {
    case 0:
      return std::bit_cast<float>(uint32_t(b[0]) | uint32_t(b[1]) << 8 | uint32_t(b[2]) << 16 | uint32_t(b[3]) << 24);
    case 1:
      return half(b);
    case 30:
      return std::bit_cast<float>(uint32_t(b[0]) << 16 | uint32_t(b[1]) << 24);
    case 2:
      return half(b) * float(nibble(b + 2, i) - 8);
    case 20:
      return half(b) * float(kValues[nibble(b + 2, i)]);
    case 3: {
      const float product = half(b) * float(nibble(b + 4, i));
      return product + half(b + 2);
    }
    case 6:
      return half(b) * float((nibble(b + 6, i) | bit(b + 2, i) << 4) - 16);
    case 7: {
      const float product = half(b) * float(nibble(b + 8, i) | bit(b + 4, i) << 4);
      return product + half(b + 2);
    }
    case 8:
      return half(b) * float(int8_t(b[2 + i]));
    case 12:
    case 13: {
      const int j = i / 32;
      const uint8_t* qs = b + (format.type == 12 ? 16 : 48);
      const uint8_t byte = qs[32 * (i / 64) + i % 32];
      int q = j % 2 == 0 ? low(byte) : high(byte);
      if (format.type == 13) q |= (b[16 + i % 32] >> j & 1) << 4;
      const float scale = half(b) * float(k_scale(b + 4, j));
      const float minimum = half(b + 2) * float(k_minimum(b + 4, j));
      const float product = scale * float(q);
      return product - minimum;
    }
    case 14: {
      const int h = i / 128, k = i % 128 / 32, l = i % 32;
      const uint8_t byte = b[64 * h + 32 * (k & 1) + l];
      const int low_bits = k < 2 ? low(byte) : high(byte);
      const int high_bits = b[128 + 32 * h + l] >> (2 * k) & 3;
      const float scale = half(b + 208) * float(int8_t(b[192 + i / 16]));
      return scale * float((low_bits | high_bits << 4) - 32);
    }
    case 9:
      return half(b) * float(int8_t(b[4 + i]));
    case 10: {
      const float scale = half(b + 80) * float(low(b[i / 16]));
      const float minimum = half(b + 82) * float(high(b[i / 16]));
      const float product = scale * float(pair_of_256(b + 16, i));
      return product - minimum;
    }
    case 11: {
      const uint8_t* s = b + 96;
      const int sub = i / 16, low_bits = sub < 8 ? low(s[sub]) : high(s[sub - 8]);
      const int sc = low_bits | (s[8 + sub % 4] >> (2 * (sub / 4)) & 3) << 4;
      const int q = pair_of_256(b + 32, i) - (b[i % 32] >> (i / 32) & 1 ? 0 : 4);
      const float scale = half(b + 108) * float(sc - 32);
      return scale * float(q);
    }
    case 15:
      return std::bit_cast<float>(uint32_t(bytes_of(b, 4))) * float(int8_t(b[4 + i]));
    case 23: {
      const int s = i / 32, high_bits = (b[2] + 256 * b[3]) >> (2 * s) & 3;
      const int low_bits = s % 2 ? high(b[4 + s / 2]) : low(b[4 + s / 2]);
      const float scale = half(b) * float((low_bits | high_bits << 4) - 32);
      return scale * float(kValues[nibble(b + 8 + 16 * s, i % 32)]);
    }
    case 24:
      return float(int8_t(b[0]));
    case 25:
      return float(int16_t(b[0] | b[1] << 8));
    case 26:
      return float(int32_t(bytes_of(b, 4)));
    case 27:
      return float(int64_t(bytes_of(b, 8)));
    case 28:
      return float(std::bit_cast<double>(bytes_of(b, 8)));
    case 34: {
      const int digit = i < 160   ? base_3_digit(b[i % 32], i / 32)
                        : i < 240 ? base_3_digit(b[32 + (i - 160) % 16], (i - 160) / 16)
                                  : base_3_digit(b[48 + (i - 240) % 4], (i - 240) / 4);
      return half(b + 52) * float(digit - 1);
    }
    case 35:
      return half(b + 64) * float(pair_of_256(b, i) - 1);
    case 39:
      return power_of_two(b[0] - 128) * float(kFp4[nibble(b + 1, i)]);
    case 40: {
      const int s = i / 16, k = i % 16;
      const uint8_t byte = b[4 + 8 * s + k % 8];
      return ue4m3(b[s]) * float(kFp4[k < 8 ? low(byte) : high(byte)]);
    }
    case 41:
      return bit(b + 2, i) ? half(b) : -half(b);
    case 42:
      return half(b) * float((b[2 + i / 4] >> (2 * (i % 4)) & 3) - 1);
    default:
      SLUICE_CHECK(!"a type that cannot be converted");
  }
}

}  // namespace sluice
