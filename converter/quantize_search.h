// SPDX-License-Identifier: Apache-2.0
// Scales that minimize the weighted error Σ w (x - decoded)² of one group of weights. Codes and scale depend on each
// other: a grid of scales gives codes, least squares gives the best scale for these codes, and the best pair is rounded
// and fitted in turn until it stands still. Sums have a fixed order, so the result is the same on every machine.
#pragma once
#include <cstdint>

namespace sluice::quantize {

// Whole numbers between two bounds, x ≈ d q: the best d, of either sign. N is 16 or 32; 0 if all weights are zero.
template <int N>
float fit_scale(const float* x, const float* w, int lowest, int highest);

// An ascending table of 16 values, with the nearest of them for every whole number from -128 to 128.
struct CodeTable {
  int8_t values[16];
  int8_t nearest[257];
  explicit CodeTable(const int8_t (&ascending)[16]);
};
float fit_table_scale(const float* x, const float* w, const CodeTable& table);  // of 32, x ≈ d values[q]

// x ≈ d q + m with q from 0 to `highest`, d >= 0 and m <= 0.
struct Line {
  float d = 0, m = 0;
};
Line fit_line(const float* x, const float* w, int highest);  // of 32

// The nearest codes, as signed numbers or places in the table; all zero for d = 0 (the table: the value nearest 0).
template <int N>
void round_to_scale(const float* x, float d, int lowest, int highest, int8_t* q);
void round_to_table(const float* x, float d, const CodeTable& table, int8_t* q);  // of 32
template <int N>
void round_to_line(const float* x, Line line, int highest, int8_t* q);

}  // namespace sluice::quantize
