// SPDX-License-Identifier: Apache-2.0
#include "bench/synthetic/random_strips.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/half.h"
#include "schema/tile.h"

namespace sluice {

namespace {

constexpr uint32_t kPoolBytes = 2 << 20;

// What the code means before it is scaled.
int value_of(const FormatSpec& spec, uint32_t code) {
  if (spec.code == fb::CodeKind::Int8) return int8_t(code);
  return spec.has_table ? spec.table[code] : int(code) - spec.zero_point;
}

// Mean and deviation of all codes, each as often as the others.
void measure_codes(const FormatSpec& spec, double& mean, double& deviation) {
  const uint32_t n = 1u << spec.code_bits;
  double sum = 0, squares = 0;
  for (uint32_t c = 0; c < n; ++c) {
    const double v = value_of(spec, c);
    sum += v, squares += v * v;
  }
  mean = sum / n;
  deviation = std::sqrt(squares / n - mean * mean);
}

// Scales of one row of a block such that one code is about `step`, and minima that make the mean of the weights 0.
void put_scales(const FormatSpec& spec, uint32_t lanes, std::byte* block, uint32_t lane, float step, float mean,
                uint64_t& state) {
  const uint32_t groups = spec.block_inputs / spec.group_size;
  const auto uniform = [&](int least, int most) {
    return least + int(next_random(state) % uint64_t(most - least + 1));
  };
  const auto wide = [&](int least, int most, int typical, bool has_minimum, bool is_signed) {
    const float d = step / float(typical);
    put_d(spec, lanes, block, lane, 0, f32_to_f16(d));
    if (has_minimum) put_m(spec, lanes, block, lane, 0, f32_to_f16(d * mean));
    for (uint32_t g = 0; g < groups; ++g) {
      const int sc = uniform(least, most);
      put_sc(spec, lanes, block, lane, g, is_signed && uniform(0, 1) ? -sc : sc);
      if (has_minimum) put_mn(spec, lanes, block, lane, g, sc);
    }
  };
  switch (spec.scale) {
    case fb::ScaleKind::F16:
    case fb::ScaleKind::F16Min:
      for (uint32_t g = 0; g < groups; ++g) {
        const float d = step * float(uniform(75, 125)) / 100;
        put_d(spec, lanes, block, lane, g, f32_to_f16(d));
        if (spec.scale == fb::ScaleKind::F16Min) put_m(spec, lanes, block, lane, g, f32_to_f16(-d * mean));
      }
      break;
    case fb::ScaleKind::E8M0:
      for (uint32_t g = 0; g < groups; ++g) {
        put_d(spec, lanes, block, lane, g, uint16_t(std::clamp(128 + int(std::lround(std::log2(step))), 0, 254)));
      }
      break;
    case fb::ScaleKind::Super6Min:
      wide(32, 63, 48, true, false);
      break;
    case fb::ScaleKind::Super4Min:
      wide(8, 15, 12, true, false);
      break;
    case fb::ScaleKind::Super6:
      wide(16, 31, 24, false, true);
      break;
    case fb::ScaleKind::Super8:
      wide(64, 127, 96, false, true);
      break;
    case fb::ScaleKind::None:
      break;
  }
}

// to = from ^ mask, mask repeated; `n` bytes.
void copy_varied(const std::byte* from, size_t n, uint64_t mask, std::byte* to) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    uint64_t word;
    memcpy(&word, from + i, 8);
    word ^= mask;
    memcpy(to + i, &word, 8);
  }
  for (; i < n; ++i, mask >>= 8) to[i] = from[i] ^ std::byte(mask & 255);
}

}  // namespace

uint64_t next_random(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

RandomStrips::RandomStrips(const FormatSpec& spec, uint32_t cols, uint32_t lanes, uint64_t seed)
    : spec_(spec), cols_(cols), lanes_(lanes) {
  const BlockLayout at = block_layout(spec, lanes);
  block_bytes_ = at.block_bytes, codes_ = at.codes;
  strip_bytes_ = uint32_t(sluice::strip_bytes(spec, cols, lanes));
  double mean, deviation;
  measure_codes(spec, mean, deviation);
  mean_ = float(mean);
  step_ = float(1 / (std::sqrt(double(cols)) * deviation));
  const uint32_t n = std::max(2u, kPoolBytes / strip_bytes_);
  pool_.resize(size_t(n) * strip_bytes_);
  uint64_t state = seed;
  for (uint32_t s = 0; s < n; ++s) make(state, lanes, pool_.data() + size_t(s) * strip_bytes_);
}

void RandomStrips::make(uint64_t& state, uint32_t n_rows, std::byte* out) const {
  const uint32_t mask = (1u << spec_.code_bits) - 1;
  for (uint32_t first = 0; first < cols_; first += spec_.block_inputs, out += block_bytes_) {
    clear_block(spec_, lanes_, out);
    const uint32_t n = std::min(spec_.block_inputs, cols_ - first);
    for (uint32_t lane = 0; lane < n_rows; ++lane) {
      put_scales(spec_, lanes_, out, lane, step_, mean_, state);
      uint64_t bits = 0;
      for (uint32_t k = 0; k < n; ++k, bits >>= 8) {
        if (k % 8 == 0) bits = next_random(state);
        put_code(spec_, lanes_, out, lane, k, uint32_t(bits) & mask);
      }
    }
  }
}

void RandomStrips::write(uint64_t draw, uint32_t n_rows, std::byte* out) const {
  if (n_rows < lanes_) return make(draw, n_rows, out);
  const uint64_t mask = next_random(draw);
  const std::byte* from = pool_.data() + next_random(draw) % (pool_.size() / strip_bytes_) * strip_bytes_;
  const uint32_t whole = cols_ / spec_.block_inputs;
  for (uint32_t b = 0; b < whole; ++b, from += block_bytes_, out += block_bytes_) {
    memcpy(out, from, codes_);
    copy_varied(from + codes_, block_bytes_ - codes_, mask, out + codes_);
  }
  if (cols_ % spec_.block_inputs != 0) memcpy(out, from, block_bytes_);  // codes of padding stay as they are
}

}  // namespace sluice
