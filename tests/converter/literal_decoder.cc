// SPDX-License-Identifier: Apache-2.0
#include "literal_decoder.h"

#include <bit>
#include <cmath>
#include <cstdlib>

namespace sluice::test {

namespace {

float half(const uint8_t* p) {
  const int bits = p[0] + 256 * p[1];
  const int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const float sign = bits & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) return mantissa ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(float(1024 + mantissa), exponent - 25) : std::ldexp(float(mantissa), -24));
}

int low(uint8_t x) { return x & 15; }
int high(uint8_t x) { return x >> 4; }
int nibble(const uint8_t* qs, int i) { return i < 16 ? low(qs[i]) : high(qs[i - 16]); }
int bit(const uint8_t* bytes, int i) { return bytes[i / 8] >> (i % 8) & 1; }

int k_scale(const uint8_t* s, int j) { return j < 4 ? s[j] & 63 : low(s[j + 4]) | (s[j - 4] >> 6) << 4; }
int k_minimum(const uint8_t* s, int j) { return j < 4 ? s[j + 4] & 63 : high(s[j + 4]) | (s[j] >> 6) << 4; }

constexpr int kValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

struct Size {
  int weights, bytes;
};

Size size_of(uint32_t type) {
  switch (type) {
    case 0:
      return {1, 4};
    case 1:
    case 30:
      return {1, 2};
    case 2:
    case 20:
      return {32, 18};
    case 3:
      return {32, 20};
    case 6:
      return {32, 22};
    case 7:
      return {32, 24};
    case 8:
      return {32, 34};
    case 12:
      return {256, 144};
    case 13:
      return {256, 176};
    case 14:
      return {256, 210};
    default:
      abort();
  }
}

}  // namespace

uint64_t literal_bytes(uint32_t type, uint64_t n) {
  const Size size = size_of(type);
  return n / uint64_t(size.weights) * uint64_t(size.bytes);
}

float literal_weight(uint32_t type, const uint8_t* blocks, uint64_t index) {
  const Size size = size_of(type);
  const uint8_t* b = blocks + index / uint64_t(size.weights) * uint64_t(size.bytes);
  const int i = int(index % uint64_t(size.weights));
  switch (type) {
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
      const uint8_t* qs = b + (type == 12 ? 16 : 48);
      const uint8_t byte = qs[32 * (i / 64) + i % 32];
      int q = j % 2 == 0 ? low(byte) : high(byte);
      if (type == 13) q |= (b[16 + i % 32] >> j & 1) << 4;
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
    default:
      abort();
  }
}

std::vector<float> literal_weights(uint32_t type, const uint8_t* blocks, uint64_t n) {
  std::vector<float> weights(n);
  for (uint64_t i = 0; i < n; ++i) weights[i] = literal_weight(type, blocks, i);
  return weights;
}

}  // namespace sluice::test
