// SPDX-License-Identifier: Apache-2.0
// The converter's public header: GGUF in, .slm out, strip by strip in a fixed amount of memory (under 128 MiB whatever
// the model). Linked by programs that convert, never by the runtime.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"

namespace sluice {

struct ConvertOptions {
  // Called now and then with bytes of weights written and their total; false cancels (kCancelled).
  std::function<bool(uint64_t done, uint64_t total)> progress;
  std::function<void(const std::string& line)> notice;  // things a person should know (requantized tensors, …)
};

struct ConvertReport {
  std::string name, architecture, source;  // "GGUF, mostly Q4_K"
  uint64_t source_bytes = 0, output_bytes = 0, n_parameters = 0;
  uint32_t n_tensors = 0;
};

// Writes `output` whole (temporary name, sync, rename) or not at all.
// kBadModel with file, offset and reason for what is corrupt, contradictory or unsupported.
Result<ConvertReport> convert_file(const std::string& input, const std::string& output, const ConvertOptions& options = {});

// True if the file begins like something convert_file reads (GGUF magic).
bool is_convertible(const std::string& path);

}  // namespace sluice
