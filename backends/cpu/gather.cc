// SPDX-License-Identifier: Apache-2.0
// Gather: single rows of a matrix or a row-major table back to floats, in the order of operations FORMAT.md fixes.
#include <cstring>

#include "backends/cpu/worker.h"
#define SLUICE_CPU_ISA portable
#include "backends/cpu/kernels/half-inl.h"

namespace sluice::cpu {

namespace {

float half_at(const uint8_t* p, size_t i) {
  uint16_t bits;
  std::memcpy(&bits, p + 2 * i, 2);
  return portable::half_to_float(bits);
}

// The code of input k of a block whose codes begin at `low`; L lanes.
uint32_t code_at(const uint8_t* low, const uint8_t* high, uint32_t bits, uint32_t k, uint32_t lane, uint32_t L) {
  const uint32_t g = k / 32, i = k % 32 / 4, byte = 4 * lane + k % 4, line = 4 * L;
  const auto pair = [&](const uint8_t* p) { return uint32_t(p[(2 * g + i / 4) * line + byte] >> (2 * (i % 4)) & 3); };
  const auto bit = [&](const uint8_t* p) { return uint32_t(p[g * line + byte] >> i & 1); };
  if (bits == 8) return low[(8 * g + i) * line + byte];
  if (bits == 2) return pair(low);
  if (bits == 3) return pair(low) | bit(high) << 2;
  const uint32_t code = low[(4 * g + i % 4) * line + byte] >> (i / 4 * 4) & 15;
  return bits == 5 ? code | bit(high) << 4 : bits == 6 ? code | pair(high) << 4 : code;
}

// 6-bit number s of n.
uint32_t six_bits_at(const uint8_t* low, const uint8_t* high, uint32_t n, uint32_t s, uint32_t lane, uint32_t L) {
  const uint32_t l = low[s % (n / 2) * L + lane] >> (s / (n / 2) * 4) & 15;
  return l | (high[s % (n / 4) * L + lane] >> (2 * (s / (n / 4))) & 3) << 4;
}

float weight_at(const WeightFormat& f, const uint8_t* block, uint32_t k, uint32_t lane, uint32_t L) {
  if (f.code == CodeKind::kF16) return half_at(block, lane);
  if (f.code == CodeKind::kF32 || f.code == CodeKind::kBF16) {
    uint32_t bits = 0;
    const size_t size = f.code == CodeKind::kF32 ? 4 : 2;
    std::memcpy(reinterpret_cast<uint8_t*>(&bits) + (4 - size), block + size * lane, size);  // little-endian
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
  }
  // What is not codes comes first.
  const uint32_t code_bytes = f.block_inputs * f.code_bits / 8 * L;
  const uint8_t* low = block + size_t(f.block_bytes) * L / kStripRows - code_bytes;
  const uint8_t* high = low + f.block_inputs * (f.code_bits < 4 ? 2 : 4) / 8 * L;
  const uint32_t code = code_at(low, high, f.code_bits, k, lane, L);
  const float q = f.has_table                 ? float(f.table[code])
                  : f.code == CodeKind::kInt8 ? float(int8_t(code))
                                              : float(int32_t(code) - int32_t(f.zero_point));
  const uint32_t n = f.block_inputs / f.group_size, s = k / f.group_size;
  switch (f.scale) {
    case ScaleKind::kF16:
      return half_at(block, s * L + lane) * q;
    case ScaleKind::kF16Min:
      return half_at(block, s * L + lane) * q + half_at(block + 2 * n * L, s * L + lane);
    case ScaleKind::kE8M0: {
      const uint32_t e = block[s * L + lane], bits = e < 2 ? 0x200000u << e : (e - 1) << 23;  // denormal below 2
      float power;
      std::memcpy(&power, &bits, 4);
      return power * q;
    }
    case ScaleKind::kSuper8:
      return half_at(block, lane) * float(int8_t(block[4 * L + s * L + lane])) * q;
    case ScaleKind::kSuper6: {
      const uint8_t* sc = block + (n == 16 ? 4 : 2) * L;
      return half_at(block, lane) * float(int32_t(six_bits_at(sc, sc + n / 2 * L, n, s, lane, L)) - 32) * q;
    }
    case ScaleKind::kSuper4Min: {
      const uint8_t both = block[4 * L + s * L + lane];
      return half_at(block, lane) * float(both & 15) * q - half_at(block + 2 * L, lane) * float(both >> 4);
    }
    default: {
      const float sc = float(six_bits_at(block + 4 * L, block + 12 * L, n, s, lane, L));
      const float mn = float(six_bits_at(block + 8 * L, block + 14 * L, n, s, lane, L));
      return half_at(block, lane) * sc * q - half_at(block + 2 * L, lane) * mn;
    }
  }
}

}  // namespace

void gather(Worker& w, const GatherPhase& p) {
  const WeightFormat& f = *p.format;
  w.share(uint32_t(p.rows.size()), [&](uint32_t begin, uint32_t end) {
    for (uint32_t i = begin; i < end; ++i) {
      const GatherRow& row = p.rows[i];
      const auto* data = reinterpret_cast<const uint8_t*>(row.strip);
      const size_t block_bytes = size_t(f.block_bytes) * row.lanes / kStripRows;
      float* x = p.x + size_t(i) * p.cols;
      for (uint32_t k = 0; k < p.cols; ++k) {
        const uint8_t* block = data + k / f.block_inputs * block_bytes;
        x[k] = weight_at(f, block, k % f.block_inputs, row.lane, row.lanes) * p.scale;
      }
    }
  });
}

}  // namespace sluice::cpu
