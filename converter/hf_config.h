// SPDX-License-Identifier: Apache-2.0
// config.json of a Hugging Face folder: which family it is, and its numbers as GGUF's keys. The spellings of several
// years of the `transformers` library are read. Ranges are checked by the family files, like those of GGUF files.
#pragma once
#include <cstdint>
#include <string>

#include "converter/hf_assembler.h"
#include "converter/hf_json.h"
#include "converter/vocabulary.h"

namespace sluice {

enum class HfWindows : uint8_t { kNone, kAllLayers, kFromLayer, kPeriod };  // which layers have the sliding window

struct HfFamily {
  const char* model_type;    // in config.json
  const char* architecture;  // of the family file in archs/
  HfWindows windows;
  bool gemma;  // norms hold w - 1, a norm behind each branch, GELU
};

struct HfConfig {
  const HfFamily* family = nullptr;
  JsonValues values;
  std::string text;  // "text_config." where the language model is a part of a larger one, else empty
  uint32_t n_heads = 0, n_kv_heads = 0;
  bool tied = false;      // the head is the embedding, whatever tensors there are
  bool untied = false;    // the file says so
  double head_times = 1;  // a factor of the outputs, which goes into the norm before the head
};

Result<HfConfig> read_hf_config(const std::string& path);

// All keys of the architecture.
Status write_hf_config(const HfConfig& config, HfAssembler& out, const Notice& notice);

// The part of it that is about rotary positions.
Status write_hf_rope(const HfConfig& config, HfAssembler& out, const Notice& notice);

}  // namespace sluice
