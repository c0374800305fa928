// SPDX-License-Identifier: Apache-2.0
#include "converter/quantize_search.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>

namespace sluice::quantize {

namespace {

constexpr int kLanes = 8;  // partial sums, so that a vector unit can help without changing their order

float total(const float (&lanes)[kLanes]) {
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

// Nearest whole number for |x| < 2^22, as a float; needs no rounding instruction.
float nearest(float x) {
  constexpr float kShift = 12582912.0f;  // 1.5 * 2^23
  return (x + kShift) - kShift;
}

float limited(float x, float lowest, float highest) {
  x = x < lowest ? lowest : x;
  return x > highest ? highest : x;
}

// What the best d for some codes explains of Σ w x²: the higher, the smaller the error.
struct ScaleFit {
  float d = 0, gain = 0;
};

template <int N>
ScaleFit fit_codes(const float* x, const float* w, const float* q) {
  float xq[kLanes] = {}, qq[kLanes] = {};
  for (int i = 0; i < N; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const float wq = w[i + j] * q[i + j];
      xq[j] += wq * x[i + j];
      qq[j] += wq * q[i + j];
    }
  }
  const float sum_xq = total(xq), sum_qq = total(qq);
  if (!(sum_qq > 0)) return {};
  const float d = sum_xq / sum_qq;
  return {d, sum_xq * d};
}

// Tries the codes that `code(inverse scale)` gives for a grid of inverse scales, then refines the best.
template <int N, class Code>
float search_scale(const float* x, const float* w, const float* inverses, int n, Code code) {
  float q[N];
  ScaleFit best;
  for (int i = 0; i < n; ++i) {
    code(inverses[i], q);
    const ScaleFit fit = fit_codes<N>(x, w, q);
    if (fit.gain > best.gain) best = fit;
  }
  constexpr int kRefinements = 3;
  for (int i = 0; i < kRefinements && best.d != 0; ++i) {
    code(1 / best.d, q);
    const ScaleFit fit = fit_codes<N>(x, w, q);
    if (!(fit.gain > best.gain)) break;
    best = fit;
  }
  return best.d;
}

// The weight of the largest magnitude, with its sign.
template <int N>
float extreme(const float* x) {
  float most = 0;
  for (int i = 0; i < N; ++i) {
    if (std::fabs(x[i]) > std::fabs(most)) most = x[i];
  }
  return most;
}

constexpr float kTiny = 1e-30f;  // groups below it are zero to every format, and 1 / x stays finite

int code_of(float x, const CodeTable& table) { return table.nearest[int(nearest(limited(x, -128, 128))) + 128]; }

// Sums of a weighted line fit.
struct LineFit {
  Line line;
  float gain = 0;
};

LineFit fit_line_to(const float* x, const float* w, const float* q, float sum_w, float sum_x) {
  float lanes_q[kLanes] = {}, lanes_qq[kLanes] = {}, lanes_xq[kLanes] = {};
  for (int i = 0; i < 32; i += kLanes) {
    for (int j = 0; j < kLanes; ++j) {
      const float wq = w[i + j] * q[i + j];
      lanes_q[j] += wq;
      lanes_qq[j] += wq * q[i + j];
      lanes_xq[j] += wq * x[i + j];
    }
  }
  const float sum_q = total(lanes_q), sum_qq = total(lanes_qq), sum_xq = total(lanes_xq);
  const float determinant = sum_w * sum_qq - sum_q * sum_q;
  LineFit fit;
  if (determinant > 0) {
    fit.line.d = (sum_w * sum_xq - sum_x * sum_q) / determinant;
    fit.line.m = (sum_qq * sum_x - sum_q * sum_xq) / determinant;
  }
  if (!(determinant > 0) || fit.line.m > 0 || fit.line.d < 0) {
    fit.line = {sum_qq > 0 ? std::max(sum_xq / sum_qq, 0.0f) : 0.0f, 0.0f};
    if (fit.line.d == 0) fit.line.m = std::min(sum_w > 0 ? sum_x / sum_w : 0.0f, 0.0f);
  }
  const Line l = fit.line;
  // Σwx² - error, whether or not the bounds held the line back.
  fit.gain = 2 * (l.d * sum_xq + l.m * sum_x) - (l.d * l.d * sum_qq + 2 * l.d * l.m * sum_q + l.m * l.m * sum_w);
  return fit;
}

void line_codes(const float* x, Line line, float highest, float* q) {
  const float inverse = line.d > kTiny ? 1 / line.d : 0;
  for (int i = 0; i < 32; ++i) q[i] = nearest(limited((x[i] - line.m) * inverse, 0, highest));
}

}  // namespace

template <int N>
float fit_scale(const float* x, const float* w, int lowest, int highest) {
  const float most = extreme<N>(x);
  if (std::fabs(most) < kTiny) return 0;
  // The extreme weight may come to lie at either end of the codes, some way inside or clipped by it.
  constexpr int kSteps = 12;
  float inverses[2 * (2 * kSteps + 1)];
  int n = 0;
  for (const int end : {lowest, highest}) {
    const float magnitude = std::fabs(float(end)), reach = std::min(1 + 0.1f * magnitude, 2.5f);
    for (int s = -kSteps; s <= kSteps; ++s) {
      const float place = magnitude + reach * float(s) / kSteps;
      inverses[n++] = (end < 0 ? -place : place) / most;
    }
  }
  const float low = float(lowest), high = float(highest);
  return search_scale<N>(x, w, inverses, n, [=](float inverse, float* q) {
    for (int i = 0; i < N; ++i) q[i] = nearest(limited(x[i] * inverse, low, high));
  });
}

CodeTable::CodeTable(const int8_t (&ascending)[16]) {
  std::copy(std::begin(ascending), std::end(ascending), values);
  for (int i = 0; i < 257; ++i) {
    const auto distance = [&](int code) { return std::abs(values[code] - (i - 128)); };
    int code = 0;
    for (int c = 1; c < 16; ++c) {
      if (distance(c) < distance(code)) code = c;
    }
    nearest[i] = int8_t(code);
  }
}

float fit_table_scale(const float* x, const float* w, const CodeTable& table) {
  const float most = extreme<32>(x);
  if (std::fabs(most) < kTiny) return 0;
  constexpr int kSteps = 10;
  float inverses[2 * (2 * kSteps + 1)];
  int n = 0;
  for (const float end : {float(table.values[0]), float(table.values[15])}) {
    for (int s = -kSteps; s <= kSteps; ++s) inverses[n++] = end * (1 + 0.035f * float(s)) / most;
  }
  return search_scale<32>(x, w, inverses, n, [&](float inverse, float* q) {
    for (int i = 0; i < 32; ++i) q[i] = float(table.values[code_of(x[i] * inverse, table)]);
  });
}

Line fit_line(const float* x, const float* w, int highest) {
  float low = 0, high = x[0], lanes_w[kLanes] = {}, lanes_x[kLanes] = {};
  for (int i = 0; i < 32; ++i) {
    low = std::min(low, x[i]), high = std::max(high, x[i]);
    lanes_w[i % kLanes] += w[i], lanes_x[i % kLanes] += w[i] * x[i];
  }
  const float sum_w = total(lanes_w), sum_x = total(lanes_x), width = high - low;
  if (width < kTiny) return {0, std::min(low, 0.0f)};
  LineFit best;
  best.gain = -1;
  float q[32];
  const auto consider = [&](Line line) {
    line_codes(x, line, float(highest), q);
    const LineFit fit = fit_line_to(x, w, q, sum_w, sum_x);
    if (!(fit.gain > best.gain)) return false;
    best = fit;
    return true;
  };
  // Both ends of the range come in by up to two steps.
  constexpr int kEnds = 5;
  const float step = width / float(highest);
  for (int a = -1; a < kEnds; ++a) {
    const float m = std::min(low + 0.4f * float(a) * step, 0.0f);
    for (int b = -1; b < kEnds; ++b) {
      const float top = high - 0.4f * float(b) * step;
      if (top > m) consider({(top - m) / float(highest), m});
    }
  }
  constexpr int kRefinements = 4;
  for (int i = 0; i < kRefinements && consider(best.line); ++i) {
  }
  return best.line;
}

template <int N>
void round_to_scale(const float* x, float d, int lowest, int highest, int8_t* q) {
  const float inverse = d != 0 ? 1 / d : 0;
  for (int i = 0; i < N; ++i) q[i] = int8_t(nearest(limited(x[i] * inverse, float(lowest), float(highest))));
}

void round_to_table(const float* x, float d, const CodeTable& table, int8_t* q) {
  const float inverse = d != 0 ? 1 / d : 0;
  for (int i = 0; i < 32; ++i) q[i] = int8_t(code_of(x[i] * inverse, table));
}

template <int N>
void round_to_line(const float* x, Line line, int highest, int8_t* q) {
  const float inverse = line.d != 0 ? 1 / line.d : 0;
  for (int i = 0; i < N; ++i) q[i] = int8_t(nearest(limited((x[i] - line.m) * inverse, 0, float(highest))));
}

template float fit_scale<16>(const float*, const float*, int, int);
template float fit_scale<32>(const float*, const float*, int, int);
template void round_to_scale<16>(const float*, float, int, int, int8_t*);
template void round_to_scale<32>(const float*, float, int, int, int8_t*);
template void round_to_line<32>(const float*, Line, int, int8_t*);

}  // namespace sluice::quantize
