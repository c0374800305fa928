// SPDX-License-Identifier: Apache-2.0
#include "converter/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "base/half.h"
#include "converter/quantize_search.h"
#include "slm_weights.h"
#include "support/catch.h"
#include "support/gguf_builder.h"

namespace sluice::test {

namespace {

constexpr uint32_t kTargets[] = {toy::kQ8_0, toy::kQ4_0, toy::kQ5_0, toy::kIQ4_NL, toy::kQ4_K, toy::kQ6_K};

// Bell-shaped numbers with a few that stick out, as real weights have.
std::vector<float> weights_like(uint32_t n, uint32_t seed) {
  std::mt19937 rng(seed);
  const auto uniform = [&] { return float(rng() >> 8) * 0x1p-24f; };
  std::vector<float> x(n);
  for (float& v : x) {
    v = 0;
    for (int i = 0; i < 6; ++i) v += uniform() - 0.5f;
    v *= 0.03f;
    if (rng() % 64 == 0) v *= 4;
  }
  return x;
}

std::vector<uint8_t> encoded(uint32_t type, const std::vector<float>& x, const float* importance = nullptr) {
  const BlockFormat& format = *find_block_format(type);
  std::vector<uint8_t> blocks(x.size() / format.inputs * format.bytes);
  find_encoder(format)(x.data(), importance, uint32_t(x.size()), blocks.data());
  return blocks;
}

std::vector<float> decoded(uint32_t type, const std::vector<float>& x, const float* importance = nullptr) {
  return source_weights(type, encoded(type, x, importance).data(), x.size());
}

double error(const std::vector<float>& x, const std::vector<float>& y, const float* w = nullptr) {
  double sum = 0;
  for (size_t i = 0; i < x.size(); ++i) sum += (w ? double(w[i]) : 1.0) * std::pow(double(x[i]) - double(y[i]), 2);
  return sum;
}

// The textbook way: the extreme weight becomes the extreme code.
std::vector<float> rounded_to_nearest(const std::vector<float>& x, float levels) {
  std::vector<float> y(x.size());
  for (size_t g = 0; g < x.size(); g += 32) {
    float most = 0;
    for (size_t i = g; i < g + 32; ++i) most = std::max(most, std::fabs(x[i]));
    const float d = f16_to_f32(f32_to_f16(most / levels));
    for (size_t i = g; i < g + 32; ++i) y[i] = d > 0 ? d * std::nearbyint(x[i] / d) : 0;
  }
  return y;
}

}  // namespace

TEST_CASE("the scale found is within a twentieth of the best of ten thousand", "[converter][quantize]") {
  for (uint32_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> x = weights_like(32, seed);
    std::vector<float> w = weights_like(32, seed + 100);
    for (float& v : w) v = v * v + 1e-4f;
    const auto error_of = [&](float d) {
      double sum = 0;
      for (int i = 0; i < 32; ++i) {
        const float q = std::clamp(std::nearbyint(x[i] / d), -8.0f, 7.0f);
        sum += double(w[i]) * std::pow(double(x[i]) - double(d) * q, 2);
      }
      return sum;
    };
    const float found = quantize::fit_scale<32>(x.data(), w.data(), -8, 7);
    float most = 0;
    for (float v : x) most = std::max(most, std::fabs(v));
    double best = INFINITY;
    for (int i = 1; i <= 5000; ++i) {
      const float d = most / 4 * float(i) / 5000;
      best = std::min({best, error_of(d), error_of(-d)});
    }
    CAPTURE(seed, found);
    CHECK(error_of(found) <= best * 1.05);
  }
}

TEST_CASE("four bits by search beat four bits by rounding, and more bits beat fewer", "[converter][quantize]") {
  const std::vector<float> x = weights_like(256 * 16, 1);
  const auto err = [&](uint32_t type) { return error(x, decoded(type, x)); };
  CHECK(err(toy::kQ4_0) < 0.95 * error(x, rounded_to_nearest(x, 7)));
  CHECK(err(toy::kIQ4_NL) < err(toy::kQ4_0));
  CHECK(err(toy::kQ4_K) < err(toy::kQ4_0));
  CHECK(err(toy::kQ5_0) < 0.35 * err(toy::kQ4_0));
  CHECK(err(toy::kQ6_K) < 0.35 * err(toy::kQ5_0));
  CHECK(err(toy::kQ8_0) < 0.2 * err(toy::kQ6_K));
  CHECK(err(toy::kQ8_0) <= error(x, rounded_to_nearest(x, 127)));
}

TEST_CASE("importance moves the error to where it counts little", "[converter][quantize]") {
  const std::vector<float> x = weights_like(256 * 8, 2);
  std::vector<float> importance(x.size());
  for (size_t i = 0; i < x.size(); ++i) importance[i] = i % 8 == 3 ? 100.0f : 1.0f;
  for (const uint32_t type : kTargets) {
    CAPTURE(type);
    const std::vector<float> with = decoded(type, x, importance.data()), without = decoded(type, x);
    CHECK(error(x, with, importance.data()) < error(x, without, importance.data()));
    // A factor common to all columns changes nothing.
    const std::vector<float> twos(x.size(), 2.0f), ones(x.size(), 1.0f);
    CHECK(encoded(type, x, twos.data()) == encoded(type, x, ones.data()));
  }
}

TEST_CASE("a row that lies on the grid comes back as it was", "[converter][quantize]") {
  std::mt19937 rng(3);
  std::vector<float> x(256);
  for (float& v : x) v = 0.125f * float(int(rng() % 16) - 8);
  for (size_t g = 0; g < x.size(); g += 32) x[g] = -1.0f, x[g + 1] = 0.875f;  // both ends in every group
  CHECK(decoded(toy::kQ4_0, x) == x);
  // Its scale is a product of a float16 and a whole number: near, not equal.
  const std::vector<float> y = decoded(toy::kQ4_K, x);
  for (size_t i = 0; i < x.size(); ++i) CHECK(std::fabs(y[i] - x[i]) < 1e-3f);
  for (float& v : x) v = 0.25f * float(int(rng() % 255) - 127);
  for (size_t g = 0; g < x.size(); g += 32) x[g] = 127 * 0.25f;
  CHECK(decoded(toy::kQ8_0, x) == x);
}

TEST_CASE("rows without a shape stay finite: zeros, one weight, constants, the ends of float32",
          "[converter][quantize]") {
  std::vector<std::vector<float>> rows(9, std::vector<float>(256, 0.0f));
  rows[1][17] = 1.5f;
  rows[2][200] = -1e-30f;
  std::fill(rows[3].begin(), rows[3].end(), 0.75f);
  std::fill(rows[4].begin(), rows[4].end(), -0.75f);
  for (size_t i = 0; i < 256; ++i) rows[5][i] = i % 2 ? 3e38f : -3e38f;
  for (size_t i = 0; i < 256; ++i) rows[6][i] = i % 2 ? 1e-40f : -1e-45f;
  for (size_t i = 0; i < 256; ++i) rows[7][i] = i % 3 ? 1e-8f : 1e30f;
  for (size_t i = 0; i < 256; ++i) rows[8][i] = float(i) - 20;
  const std::vector<float> nothing(256, 0.0f), extreme(256, 3e38f);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (const uint32_t type : kTargets) {
      CAPTURE(r, type);
      for (const float* importance : {static_cast<const float*>(nullptr), nothing.data(), extreme.data()}) {
        const std::vector<float> y = decoded(type, rows[r], importance);
        CHECK(std::all_of(y.begin(), y.end(), [](float v) { return std::isfinite(v); }));
        if (r == 0) CHECK(error(rows[r], y) == 0);
        if (r == 3 || r == 4 || r == 8) CHECK(error(rows[r], y) <= 0.02 * error(rows[r], nothing));
      }
    }
  }
  CHECK(error(rows[1], decoded(toy::kQ4_K, rows[1])) < 1e-4);
}

TEST_CASE("between the ends of its range a type keeps weights, far beyond it loses them", "[converter][quantize]") {
  std::mt19937 rng(6);
  std::vector<float> unit(256 * 4);
  for (float& v : unit) v = float(int(rng() % 2001) - 1000) / 1000;
  for (size_t g = 0; g < unit.size(); g += 16) unit[g] = 1, unit[g + 1] = -1;
  const auto share = [&](uint32_t type, float size) {  // of the squares that is lost
    std::vector<float> x = unit;
    for (float& v : x) v *= size;
    const std::vector<float> y = decoded(type, x);
    double lost = 0, all = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      lost += std::pow(double(x[i]) - double(y[i]), 2), all += std::pow(double(x[i]), 2);
    }
    return lost / all;
  };
  for (const uint32_t type : kTargets) {
    const EncodableRange range = encodable_range(*find_block_format(type));
    CAPTURE(type, range.least, range.most);
    CHECK(share(type, range.most) <= 3 * share(type, 1) + 1e-4);  // the best scale may lie beyond
    CHECK(share(type, range.least) <= 0.02);
    CHECK(share(type, range.least / 32) > 0.2);
    CHECK(share(type, range.most * 32) > 0.2);
  }
}

TEST_CASE("decoding a row finds weights that are no numbers", "[converter][quantize]") {
  const uint16_t halves[4] = {0x3c00, 0xbc00, 0x0001, 0x7bff}, bad[4] = {0x3c00, 0x7c00, 0, 0};
  float x[4];
  const BlockFormat& f16 = *find_block_format(toy::kF16);
  REQUIRE(decode_row(f16, reinterpret_cast<const uint8_t*>(halves), 4, x));
  CHECK(x[1] == -1.0f);
  CHECK(x[3] == 65504.0f);
  CHECK(!decode_row(f16, reinterpret_cast<const uint8_t*>(bad), 4, x));
  const std::vector<float> w = weights_like(256, 5);
  for (const uint32_t type : kTargets) {
    const std::vector<uint8_t> blocks = encoded(type, w);
    std::vector<float> y(256);
    REQUIRE(decode_row(*find_block_format(type), blocks.data(), 256, y.data()));
    CHECK(y == source_weights(type, blocks.data(), 256));
  }
}

}  // namespace sluice::test
