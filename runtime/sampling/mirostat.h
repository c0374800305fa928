// SPDX-License-Identifier: Apache-2.0
// Mirostat (Basu et al. 2020): instead of fixed limits, what may be drawn follows from how surprising the text has
// been. A bound mu on the surprise -log2 p moves by rate * (target - surprise) with each draw. Version 1 estimates how
// many candidates lie within the bound from the law of the likeliest hundred, version 2 takes them one by one.
#pragma once
#include "runtime/sampling/candidate.h"

namespace sluice {

struct Mirostat {
  int32_t version = 0;  // 0: off, 1, 2
  float target = 5;     // tau, in bits
  float rate = 0.1f;    // eta
  // mu at the beginning of an answer.
  float start() const { return 2 * target; }
};

// Version 1: how many of the likeliest are candidates, from 1 to n_vocab; `best` in order of rank, the vocabulary's
// first kMirostatSample or fewer.
inline constexpr size_t kMirostatSample = 100;
size_t mirostat_count(std::span<const Candidate> best, double temp, double mu, size_t n_vocab);

// Version 2: keeps the candidates with a surprise of at most mu; keeps the order. At least one.
std::span<Candidate> keep_unsurprising(std::span<Candidate> candidates, double temp, double mu);

// mu after the draw of candidates[drawn]; never 0, which callers use for "at the beginning".
float mirostat_update(std::span<const Candidate> candidates, double temp, size_t drawn, const Mirostat& options,
                      float mu);

}  // namespace sluice
