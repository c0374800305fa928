// SPDX-License-Identifier: Apache-2.0
// The encoders, one per type. Formats whose groups stand alone search one scale; the super-blocks of 256 search a scale
// (and minimum) for each sub-block, share them out as small whole numbers, try the neighbours of each, and fit the two
// shared numbers once more. Byte layouts: block_formats.cc.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/half.h"
#include "converter/quantize.h"
#include "converter/quantize_search.h"

namespace sluice {

namespace {

using namespace quantize;

const CodeTable kIq4Table({-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113});
constexpr float kMostHalf = 65504;

uint16_t half_bits(float x) { return f32_to_f16(std::clamp(x, -kMostHalf, kMostHalf)); }
// Writes the float16 and returns what it stands for.
float put_half(uint8_t* p, float x) {
  const uint16_t bits = half_bits(x);
  p[0] = uint8_t(bits), p[1] = uint8_t(bits >> 8);
  return f16_to_f32(bits);
}

// How much the error of each weight counts. Without a measurement, large weights count more: what they multiply is not
// known, but columns that matter tend to have them. (Measured on real models: better than plain squares.)
constexpr uint32_t kBlock = 256;
void error_weights(const float* x, const float* importance, uint32_t n, float* w) {
  float sum = 0;
  for (uint32_t i = 0; i < n; ++i) sum += x[i] * x[i];
  const float variance = sum / float(n);
  if (!(variance > 0)) return void(std::fill(w, w + n, 1.0f));
  float mean = 0;
  if (importance) {
    for (uint32_t i = 0; i < n; ++i) mean += importance[i] / float(n);
  }
  constexpr float kLeast = 1e-4f;  // of the mean: a column that was never used must still be something
  for (uint32_t i = 0; i < n; ++i) {
    const float size = std::sqrt(1 + x[i] * x[i] / variance);
    w[i] = importance ? (mean > 0 ? importance[i] / mean + kLeast : 1.0f) * size : size;
  }
}

// ---- groups that stand alone -------------------------------------------------------------------------------------

// Calls fn(x, w, block) for every group of 32 of a row; `bytes`: of a block. Error weights are taken over up to 256.
template <class Fn>
void each_group(const float* x, const float* importance, uint32_t n, uint8_t* blocks, uint32_t bytes, Fn fn) {
  float w[kBlock];
  for (uint32_t begin = 0; begin < n; begin += kBlock) {
    const uint32_t count = std::min(kBlock, n - begin);
    error_weights(x + begin, importance ? importance + begin : nullptr, count, w);
    for (uint32_t i = 0; i < count; i += 32) {
      fn(x + begin + i, w + i, blocks);
      blocks += bytes;
    }
  }
}

void put_nibbles(const int8_t* q, int offset, uint8_t* qs) {
  for (int i = 0; i < 16; ++i) qs[i] = uint8_t(((q[i] + offset) & 15) | ((q[i + 16] + offset) & 15) << 4);
}

void encode_q8_0(const float* x, const float* importance, uint32_t n, uint8_t* blocks) {
  each_group(x, importance, n, blocks, 34, [](const float* g, const float* w, uint8_t* block) {
    const float d = put_half(block, std::fabs(fit_scale<32>(g, w, -127, 127)));
    int8_t q[32];
    round_to_scale<32>(g, d, -127, 127, q);
    memcpy(block + 2, q, 32);
  });
}

void encode_q4_0(const float* x, const float* importance, uint32_t n, uint8_t* blocks) {
  each_group(x, importance, n, blocks, 18, [](const float* g, const float* w, uint8_t* block) {
    const float d = put_half(block, fit_scale<32>(g, w, -8, 7));
    int8_t q[32];
    round_to_scale<32>(g, d, -8, 7, q);
    put_nibbles(q, 8, block + 2);
  });
}

void encode_iq4_nl(const float* x, const float* importance, uint32_t n, uint8_t* blocks) {
  each_group(x, importance, n, blocks, 18, [](const float* g, const float* w, uint8_t* block) {
    const float d = put_half(block, fit_table_scale(g, w, kIq4Table));
    int8_t q[32];
    round_to_table(g, d, kIq4Table, q);
    put_nibbles(q, 0, block + 2);
  });
}

void encode_q5_0(const float* x, const float* importance, uint32_t n, uint8_t* blocks) {
  each_group(x, importance, n, blocks, 22, [](const float* g, const float* w, uint8_t* block) {
    const float d = put_half(block, fit_scale<32>(g, w, -16, 15));
    int8_t q[32];
    round_to_scale<32>(g, d, -16, 15, q);
    memset(block + 2, 0, 4);
    for (int i = 0; i < 32; ++i) block[2 + i / 8] = uint8_t(block[2 + i / 8] | ((q[i] + 16) >> 4) << (i % 8));
    put_nibbles(q, 16, block + 6);
  });
}

// ---- super-blocks with minima ------------------------------------------------------------------------------------

constexpr int kSubs = 8;      // sub-blocks of 32
constexpr int kMostSix = 63;  // scales and minima are 6 bits

// One super-block: w = d sc q - dmin mn.
struct SuperBlock {
  float d = 0, dmin = 0;
  int sc[kSubs] = {}, mn[kSubs] = {};
  int8_t q[kBlock] = {};
};

float line_error(const float* x, const float* w, Line line, const int8_t* q) {
  float error = 0;
  for (int i = 0; i < 32; ++i) {
    const float e = x[i] - (line.d * float(q[i]) + line.m);
    error += w[i] * e * e;
  }
  return error;
}

// The best of the scale and minimum nearest to `ideal` and their neighbours.
float choose_line(const float* x, const float* w, Line ideal, int highest, SuperBlock& b, int sub) {
  const int sc = b.d > 0 ? int(std::lrint(std::min(ideal.d / b.d, float(kMostSix)))) : 0;
  const int mn = b.dmin > 0 ? int(std::lrint(std::min(-ideal.m / b.dmin, float(kMostSix)))) : 0;
  float best = INFINITY;
  for (int s = std::max(sc - 1, 0); s <= std::min(sc + 1, kMostSix); ++s) {
    for (int m = std::max(mn - 1, 0); m <= std::min(mn + 1, kMostSix); ++m) {
      const Line line{b.d * float(s), -(b.dmin * float(m))};
      int8_t q[32];
      round_to_line<32>(x, line, highest, q);
      const float error = line_error(x, w, line, q);
      if (!(error < best)) continue;
      best = error, b.sc[sub] = s, b.mn[sub] = m;
      memcpy(b.q + 32 * sub, q, 32);
    }
  }
  return best;
}

// d and dmin by least squares for the codes, scales and minima of `b`; false if they have no unique answer.
bool refit(const float* x, const float* w, const SuperBlock& b, float& d, float& dmin) {
  double aa = 0, ab = 0, bb = 0, ax = 0, bx = 0;  // x ≈ d a - dmin b
  for (uint32_t i = 0; i < kBlock; ++i) {
    const double a = b.sc[i / 32] * b.q[i], m = -b.mn[i / 32], wi = double(w[i]), xi = double(x[i]);
    aa += wi * a * a, ab += wi * a * m, bb += wi * m * m, ax += wi * a * xi, bx += wi * m * xi;
  }
  const double determinant = aa * bb - ab * ab;
  if (bb == 0 && aa > 0) return d = float(ax / aa), dmin = 0, d > 0;
  if (!(determinant > 1e-9 * aa * bb)) return false;
  d = float((bb * ax - ab * bx) / determinant), dmin = float((aa * bx - ab * ax) / determinant);
  return d > 0 && dmin >= 0;
}

SuperBlock search_super_block(const float* x, const float* w, int highest) {
  Line ideal[kSubs];
  float most_d = 0, most_m = 0;
  for (int s = 0; s < kSubs; ++s) {
    ideal[s] = fit_line(x + 32 * s, w + 32 * s, highest);
    most_d = std::max(most_d, ideal[s].d), most_m = std::max(most_m, -ideal[s].m);
  }
  SuperBlock best;
  float best_error = INFINITY;
  const auto consider = [&](float d, float dmin) {
    SuperBlock b;
    b.d = f16_to_f32(half_bits(d)), b.dmin = f16_to_f32(half_bits(dmin));
    float error = 0;
    for (int s = 0; s < kSubs; ++s) error += choose_line(x + 32 * s, w + 32 * s, ideal[s], highest, b, s);
    if (!(error < best_error)) return false;
    best = b, best_error = error;
    return true;
  };
  consider(most_d / kMostSix, most_m / kMostSix);
  constexpr int kRefinements = 3;
  for (int i = 0; i < kRefinements; ++i) {
    float d, dmin;
    if (!refit(x, w, best, d, dmin) || !consider(d, dmin)) break;
  }
  return best;
}

void put_scales_and_minima(const SuperBlock& b, uint8_t* s) {
  for (int j = 0; j < 4; ++j) {
    s[j] = uint8_t(b.sc[j] | (b.sc[j + 4] >> 4) << 6);
    s[j + 4] = uint8_t(b.mn[j] | (b.mn[j + 4] >> 4) << 6);
    s[j + 8] = uint8_t((b.sc[j + 4] & 15) | (b.mn[j + 4] & 15) << 4);
  }
}

// Four runs of 64 codes: the low nibbles of 32 bytes, then the high ones.
void put_nibbles_256(const int8_t* q, uint8_t* qs) {
  for (int run = 0; run < 4; ++run) {
    for (int i = 0; i < 32; ++i) qs[32 * run + i] = uint8_t((q[64 * run + i] & 15) | (q[64 * run + 32 + i] & 15) << 4);
  }
}

void encode_q4_k(const float* x, const float* importance, uint32_t n, uint8_t* blocks) {
  float w[kBlock];
  for (uint32_t begin = 0; begin < n; begin += kBlock, blocks += 144) {
    error_weights(x + begin, importance ? importance + begin : nullptr, kBlock, w);
    const SuperBlock b = search_super_block(x + begin, w, 15);
    put_half(blocks, b.d), put_half(blocks + 2, b.dmin);
    put_scales_and_minima(b, blocks + 4);
    put_nibbles_256(b.q, blocks + 16);
  }
}

// ---- super-blocks without minima ---------------------------------------------------------------------------------

void encode_q6_k(const float* x, const float* importance, uint32_t n, uint8_t* blocks) {
  constexpr int kSixteens = 16, kLowest = -32, kHighest = 31;
  float w[kBlock];
  for (uint32_t begin = 0; begin < n; begin += kBlock, blocks += 210) {
    const float* g = x + begin;
    error_weights(g, importance ? importance + begin : nullptr, kBlock, w);
    float ideal[kSixteens], most = 0;
    for (int s = 0; s < kSixteens; ++s) {
      ideal[s] = fit_scale<16>(g + 16 * s, w + 16 * s, kLowest, kHighest);
      if (std::fabs(ideal[s]) > std::fabs(most)) most = ideal[s];
    }
    const float d = put_half(blocks + 208, most / -128.0f);
    int8_t q[kBlock], sc[kSixteens];
    for (int s = 0; s < kSixteens; ++s) {
      const float place = d != 0 ? std::clamp(ideal[s] / d, -128.0f, 127.0f) : 0.0f;
      sc[s] = int8_t(std::lrint(place));
      round_to_scale<16>(g + 16 * s, d * float(sc[s]), kLowest, kHighest, q + 16 * s);
    }
    memcpy(blocks + 192, sc, kSixteens);
    memset(blocks, 0, 192);
    for (int half = 0; half < 2; ++half) {
      uint8_t* low = blocks + 64 * half;
      uint8_t* high = blocks + 128 + 32 * half;
      for (int i = 0; i < 128; ++i) {
        const int code = q[128 * half + i] + 32, run = i / 32;
        uint8_t& l = low[32 * (run & 1) + i % 32];
        l = uint8_t(l | (code & 15) << (run < 2 ? 0 : 4));
        high[i % 32] = uint8_t(high[i % 32] | (code >> 4) << (2 * run));
      }
    }
  }
}

// The largest weight of a block by its float16 scale: at most, and for a weight of either sign.
struct Encoder {
  const char* name;
  EncodeRow encode;
  float reach, sure_reach;
};
constexpr Encoder kEncoders[] = {
    {"Q8_0", encode_q8_0, 127, 127},           {"Q4_0", encode_q4_0, 8, 8},        {"Q5_0", encode_q5_0, 16, 16},
    {"IQ4_NL", encode_iq4_nl, 127, 127},       {"Q4_K", encode_q4_k, 63 * 15, 63},  // below 0 the minimum alone reaches
    {"Q6_K", encode_q6_k, 128 * 32, 128 * 32},
};
constexpr float kLeastScale = 0x1p-22f;  // four times the smallest float16: within an eighth of any scale

const Encoder* find(const BlockFormat& format) {
  for (const Encoder& encoder : kEncoders) {
    if (strcmp(encoder.name, format.name) == 0) return &encoder;
  }
  return nullptr;
}

}  // namespace

EncodeRow find_encoder(const BlockFormat& format) {
  const Encoder* encoder = find(format);
  return encoder ? encoder->encode : nullptr;
}

EncodableRange encodable_range(const BlockFormat& format) {
  const Encoder* encoder = find(format);
  SLUICE_CHECK(encoder != nullptr);
  return {encoder->reach * kLeastScale, encoder->sure_reach * kMostHalf};
}

}  // namespace sluice
