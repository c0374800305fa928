// SPDX-License-Identifier: Apache-2.0
// DRY ("don't repeat yourself", p-e-w 2024): a token that would go on with a passage already said loses
// multiplier * base^(n - allowed_length), where n is how many tokens of that passage have been said again, up to the
// last sequence breaker. Passages are matched in time linear in the window; nothing is allocated.
#pragma once
#include <cstdint>
#include <span>

#include "runtime/sampling/sequence_breakers.h"

namespace sluice {

struct Dry {
  float multiplier = 0, base = 1.75f;  // multiplier <= 0 or base < 1: off
  int32_t allowed_length = 2;          // repetitions shorter than this are free
  int32_t last_n = 64;                 // tokens looked back over; -1: all
  bool active() const { return multiplier > 0 && base >= 1 && last_n != 0; }
};

struct Repetition {
  int32_t token;
  int32_t length;
};

// Scratch of the window's length each.
struct DryScratch {
  std::span<int32_t> lengths;
  std::span<Repetition> repetitions;
};

// For every place where the last tokens of `window` occurred before, at most `limit` of them: the token that followed
// and how many they were, if at least `allowed`. Each token once, with its greatest length, in order of id.
std::span<const Repetition> find_repetitions(std::span<const int32_t> window, int32_t limit, int32_t allowed,
                                             const DryScratch& scratch);

// `breakers` has followed the history that `window` is the end of; nullptr: none. Tokens that hold a whole breaker in
// their own text stay as they are.
void apply_dry(const Dry& dry, std::span<const int32_t> window, SequenceBreakers* breakers, const DryScratch& scratch,
               std::span<float> logits);

}  // namespace sluice
