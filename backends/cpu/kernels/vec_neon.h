// SPDX-License-Identifier: Apache-2.0
// The small vector type (see vec_scalar.h) on AArch64: four registers per vector, lanes 0-3, 4-7, 8-11, 12-15; a line
// of 64 bytes is four registers of 4 lanes x 4 inputs. Its integer products are in dot_neon.h, dot_sdot.h, dot_smmla.h.
#pragma once
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr int kMaxColumns = 4;
constexpr int kMaxColumnsMin = 2;

struct F {
  float32x4_t v[4];
};
struct I {
  int32x4_t v[4];
};
struct B {
  uint8x16_t v[4];
};

template <class V, class Op>
inline V each(Op op) {
  return {{op(0), op(1), op(2), op(3)}};
}

inline F f_set(float x) {
  return each<F>([&](int) { return vdupq_n_f32(x); });
}
inline F f_zero() { return f_set(0); }
inline F f_load(const float* p) {
  return each<F>([&](int i) { return vld1q_f32(p + 4 * i); });
}
inline void f_store(float* p, const F& a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, a.v[i]);
}
inline F f_load_n(const float* p, int n) {
  if (n >= 16) return f_load(p);
  float full[16] = {};
  memcpy(full, p, size_t(n) * sizeof(float));
  return f_load(full);
}
inline void f_store_n(float* p, const F& a, int n) {
  if (n >= 16) return f_store(p, a);
  float full[16];
  f_store(full, a);
  memcpy(p, full, size_t(n) * sizeof(float));
}
inline F f_add(const F& a, const F& b) {
  return each<F>([&](int i) { return vaddq_f32(a.v[i], b.v[i]); });
}
inline F f_sub(const F& a, const F& b) {
  return each<F>([&](int i) { return vsubq_f32(a.v[i], b.v[i]); });
}
inline F f_mul(const F& a, const F& b) {
  return each<F>([&](int i) { return vmulq_f32(a.v[i], b.v[i]); });
}
inline F f_div(const F& a, const F& b) {
  return each<F>([&](int i) { return vdivq_f32(a.v[i], b.v[i]); });
}
inline F f_fma(const F& a, const F& b, const F& c) {
  return each<F>([&](int i) { return vfmaq_f32(c.v[i], a.v[i], b.v[i]); });
}
// Not vmaxq/vminq: those answer NaN where a is NaN.
inline F f_max(const F& a, const F& b) {
  return each<F>([&](int i) { return vbslq_f32(vcgtq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
}
inline F f_min(const F& a, const F& b) {
  return each<F>([&](int i) { return vbslq_f32(vcltq_f32(a.v[i], b.v[i]), a.v[i], b.v[i]); });
}
inline F f_abs(const F& a) {
  return each<F>([&](int i) { return vabsq_f32(a.v[i]); });
}
inline F f_negate(const F& a) {
  return each<F>([&](int i) { return vnegq_f32(a.v[i]); });
}
inline F f_window(const F& a, int first, int last, float other) {
  const int32_t lanes[4] = {0, 1, 2, 3};
  const int32x4_t lane = vld1q_s32(lanes);
  return each<F>([&](int i) {
    const uint32x4_t inside =
        vandq_u32(vcgeq_s32(lane, vdupq_n_s32(first - 4 * i)), vcltq_s32(lane, vdupq_n_s32(last - 4 * i)));
    return vbslq_f32(inside, a.v[i], vdupq_n_f32(other));
  });
}
template <int Half>
inline F f_butterfly(const F& a) {
  if constexpr (Half >= 4) {
    constexpr int kStep = Half / 4;
    return each<F>(
        [&](int i) { return i & kStep ? vsubq_f32(a.v[i ^ kStep], a.v[i]) : vaddq_f32(a.v[i], a.v[i ^ kStep]); });
  } else {
    const uint32_t upper[4] = {0, Half == 1 ? ~0u : 0, Half == 2 ? ~0u : 0, ~0u};
    return each<F>([&](int i) {
      const float32x4_t other = Half == 2 ? vextq_f32(a.v[i], a.v[i], 2) : vrev64q_f32(a.v[i]);
      return vbslq_f32(vld1q_u32(upper), vsubq_f32(other, a.v[i]), vaddq_f32(a.v[i], other));
    });
  }
}
inline float f_sum(const F& a) {
  const float32x4_t p8a = vaddq_f32(a.v[0], a.v[2]), p8b = vaddq_f32(a.v[1], a.v[3]);
  const float32x4_t p4 = vaddq_f32(p8a, p8b);
  const float32x2_t p2 = vadd_f32(vget_low_f32(p4), vget_high_f32(p4));
  return vget_lane_f32(p2, 0) + vget_lane_f32(p2, 1);
}
inline float f_largest(const F& a) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(a.v[0], a.v[1]), vmaxq_f32(a.v[2], a.v[3])));
}

inline I i_set(int32_t x) {
  return each<I>([&](int) { return vdupq_n_s32(x); });
}
inline I i_add(const I& a, const I& b) {
  return each<I>([&](int i) { return vaddq_s32(a.v[i], b.v[i]); });
}
inline I i_or(const I& a, const I& b) {
  return each<I>([&](int i) { return vorrq_s32(a.v[i], b.v[i]); });
}
inline I i_and(const I& a, int32_t m) {
  return each<I>([&](int i) { return vandq_s32(a.v[i], vdupq_n_s32(m)); });
}
template <int N>
inline I i_shr(const I& a) {
  return each<I>([&](int i) { return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a.v[i]), N)); });
}
template <int N>
inline I i_shl(const I& a) {
  return each<I>([&](int i) { return vshlq_n_s32(a.v[i], N); });
}
inline I i_load_u8(const uint8_t* p) {
  const uint8x16_t x = vld1q_u8(p);
  const uint16x8_t lo = vmovl_u8(vget_low_u8(x)), hi = vmovl_u8(vget_high_u8(x));
  return {{vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(lo))), vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(lo))),
           vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(hi))), vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(hi)))}};
}
inline I i_load_i8(const uint8_t* p) {
  const int8x16_t x = vreinterpretq_s8_u8(vld1q_u8(p));
  const int16x8_t lo = vmovl_s8(vget_low_s8(x)), hi = vmovl_s8(vget_high_s8(x));
  return {{vmovl_s16(vget_low_s16(lo)), vmovl_s16(vget_high_s16(lo)), vmovl_s16(vget_low_s16(hi)),
           vmovl_s16(vget_high_s16(hi))}};
}
inline void i_store_i8(int8_t* p, const I& a) {
  const int16x8_t lo = vcombine_s16(vmovn_s32(a.v[0]), vmovn_s32(a.v[1]));
  const int16x8_t hi = vcombine_s16(vmovn_s32(a.v[2]), vmovn_s32(a.v[3]));
  vst1q_s8(p, vcombine_s8(vmovn_s16(lo), vmovn_s16(hi)));
}
inline int32_t i_sum(const I& a) { return vaddvq_s32(vaddq_s32(vaddq_s32(a.v[0], a.v[1]), vaddq_s32(a.v[2], a.v[3]))); }

inline F f_bits(const I& a) {
  return each<F>([&](int i) { return vreinterpretq_f32_s32(a.v[i]); });
}
inline I i_bits(const F& a) {
  return each<I>([&](int i) { return vreinterpretq_s32_f32(a.v[i]); });
}
inline F f_from_int(const I& a) {
  return each<F>([&](int i) { return vcvtq_f32_s32(a.v[i]); });
}
inline I i_round(const F& a) {
  return each<I>([&](int i) { return vcvtnq_s32_f32(a.v[i]); });
}
inline F f_from_half(const void* p) {
  const auto* h = static_cast<const uint8_t*>(p);
  return each<F>([&](int i) {
    uint16x4_t bits;
    memcpy(&bits, h + 8 * i, 8);
    return vcvt_f32_f16(vreinterpret_f16_u16(bits));
  });
}
inline F f_from_bfloat(const void* p) {
  const auto* h = static_cast<const uint8_t*>(p);
  return each<F>([&](int i) {
    uint16x4_t bits;
    memcpy(&bits, h + 8 * i, 8);
    return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
  });
}
inline F f_from_i8(const int8_t* p) { return f_from_int(i_load_i8(reinterpret_cast<const uint8_t*>(p))); }
inline F f_from_i8_n(const int8_t* p, int n) {
  int8_t full[16] = {};
  memcpy(full, p, size_t(n));
  return f_from_i8(full);
}

inline B b_zero() {
  return each<B>([&](int) { return vdupq_n_u8(0); });
}
inline B b_load(const uint8_t* p) {
  return each<B>([&](int i) { return vld1q_u8(p + 16 * i); });
}
inline B b_and(const B& a, uint8_t m) {
  return each<B>([&](int i) { return vandq_u8(a.v[i], vdupq_n_u8(m)); });
}
inline B b_or(const B& a, const B& b) {
  return each<B>([&](int i) { return vorrq_u8(a.v[i], b.v[i]); });
}
template <int N>
inline B b_shr(const B& a) {
  return each<B>([&](int i) { return vshrq_n_u8(a.v[i], N); });
}
template <int N>
inline B b_shl(const B& a) {
  return each<B>([&](int i) { return vshlq_n_u8(a.v[i], N); });
}
inline B b_lookup(const int8_t* table, const B& a) {
  const uint8x16_t t = vreinterpretq_u8_s8(vld1q_s8(table));
  return each<B>([&](int i) { return vqtbl1q_u8(t, a.v[i]); });
}

inline int8x16_t broadcast_4(const int8_t* q) {
  int32_t four;
  memcpy(&four, q, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
