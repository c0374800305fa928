// SPDX-License-Identifier: Apache-2.0
// exp, tanh and the gates of docs/NUMERICS.md, one fixed sequence of operations each.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

inline F exp_f(const F& x) {
  const F clamped = f_min(f_max(x, f_set(-87.0f)), f_set(88.0f));
  const F round = f_set(12582912.0f);  // 1.5 · 2^23: adding it leaves the nearest integer in the low bits
  const F t = f_fma(clamped, f_set(1.44269504f), round);
  const F n = f_sub(t, round);
  F r = f_fma(n, f_set(-0.693359375f), clamped);
  r = f_fma(n, f_set(2.12194440e-4f), r);
  F p = f_set(1.9875691500e-4f);
  p = f_fma(p, r, f_set(1.3981999507e-3f));
  p = f_fma(p, r, f_set(8.3334519073e-3f));
  p = f_fma(p, r, f_set(4.1665795894e-2f));
  p = f_fma(p, r, f_set(1.6666665459e-1f));
  p = f_fma(p, r, f_set(5.0000001201e-1f));
  const F y = f_add(f_fma(p, f_mul(r, r), r), f_set(1.0f));
  // The low bits of t hold n (mod 2^9 is enough): 2^n is (n + 127) << 23.
  return f_mul(y, f_bits(i_shl<23>(i_add(i_bits(t), i_set(127)))));
}

inline float exp_1(float x) {
  float y[16];
  f_store(y, exp_f(f_set(x)));
  return y[0];
}

inline F tanh_f(const F& x) {
  const F one = f_set(1.0f), two = f_set(2.0f);
  return f_sub(one, f_div(two, f_add(exp_f(f_mul(two, x)), one)));
}

inline F softcap_f(const F& x, const F& cap) { return f_mul(cap, tanh_f(f_div(x, cap))); }

inline F silu_f(const F& g) { return f_div(g, f_add(f_set(1.0f), exp_f(f_negate(g)))); }

inline F gelu_tanh_f(const F& g) {
  const F minus_2u = f_mul(g, f_fma(f_mul(g, g), f_set(-0.0713548163f), f_set(-1.5957691216f)));
  return f_div(g, f_add(f_set(1.0f), exp_f(minus_2u)));
}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
