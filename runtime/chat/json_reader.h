// SPDX-License-Identifier: Apache-2.0
// JSON text straight into template values. No document is built in between: nlohmann's frees itself with allocations of
// its own, which may not fail.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "runtime/chat/value.h"

namespace sluice::jinja {

inline constexpr uint64_t kMaxJsonBytes = 64 << 20;
inline constexpr uint64_t kMaxJsonValues = 1 << 18;
inline constexpr uint32_t kMaxJsonDepth = kMaxValueDepth / 2;  // the template may wrap what it got as deep again

struct JsonLimits {
  uint64_t max_bytes = kMaxJsonBytes;
  uint64_t max_values = kMaxJsonValues;  // scalars, names, lists and objects
  uint32_t max_depth = kMaxJsonDepth;    // of lists and objects
};

// kUsage with the offset in the text where it is no JSON (or no UTF-8). Of a name that occurs twice in an object, the
// last value counts.
Result<Value> read_json(std::string_view text, const JsonLimits& limits = {});

// A number as JSON writes it, whatever the locale.
std::optional<double> read_number(std::string_view text);

}  // namespace sluice::jinja
