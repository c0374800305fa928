// SPDX-License-Identifier: Apache-2.0
// Stands where dot_smmla.h would: integer products take one activation row at a time.
#pragma once

namespace sluice::cpu::SLUICE_CPU_ISA {
namespace {

constexpr bool kColumnPairs = false;

inline void pair_lines(B*) {}
template <int N>
inline void dot_pair(const int32_t*, const B*, const int8_t*, I*) {}

}  // namespace
}  // namespace sluice::cpu::SLUICE_CPU_ISA
