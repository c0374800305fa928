// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/formats.h"

namespace sluice::cpu {

namespace {

struct Known {
  FormatId id;
  CodeKind code;
  ScaleKind scale;
  uint8_t code_bits;
  bool has_table;
  uint32_t group_size, block_inputs, block_bytes;
};

constexpr Known kKnown[] = {
    {FormatId::kF16Code2, CodeKind::kUnsigned, ScaleKind::kF16, 2, false, 32, 64, 320},
    {FormatId::kF16Code4, CodeKind::kUnsigned, ScaleKind::kF16, 4, false, 32, 64, 576},
    {FormatId::kF16Table4, CodeKind::kUnsigned, ScaleKind::kF16, 4, true, 32, 64, 576},
    {FormatId::kF16By16Table4, CodeKind::kUnsigned, ScaleKind::kF16, 4, true, 16, 64, 640},
    {FormatId::kF16Code5, CodeKind::kUnsigned, ScaleKind::kF16, 5, false, 32, 64, 704},
    {FormatId::kF16Code8, CodeKind::kInt8, ScaleKind::kF16, 8, false, 32, 64, 1088},
    {FormatId::kF16MinCode4, CodeKind::kUnsigned, ScaleKind::kF16Min, 4, false, 32, 64, 640},
    {FormatId::kF16MinCode5, CodeKind::kUnsigned, ScaleKind::kF16Min, 5, false, 32, 64, 768},
    {FormatId::kSuper6MinCode4, CodeKind::kUnsigned, ScaleKind::kSuper6Min, 4, false, 32, 256, 2304},
    {FormatId::kSuper6MinCode5, CodeKind::kUnsigned, ScaleKind::kSuper6Min, 5, false, 32, 256, 2816},
    {FormatId::kSuper4MinCode2, CodeKind::kUnsigned, ScaleKind::kSuper4Min, 2, false, 16, 256, 1344},
    {FormatId::kSuper6Code3, CodeKind::kUnsigned, ScaleKind::kSuper6, 3, false, 16, 256, 1792},
    {FormatId::kSuper6Table4, CodeKind::kUnsigned, ScaleKind::kSuper6, 4, true, 32, 256, 2176},
    {FormatId::kSuper8Code6, CodeKind::kUnsigned, ScaleKind::kSuper8, 6, false, 16, 256, 3392},
    {FormatId::kE8M0Table4, CodeKind::kUnsigned, ScaleKind::kE8M0, 4, true, 32, 128, 1088},
    {FormatId::kF32, CodeKind::kF32, ScaleKind::kNone, 32, false, 0, 1, 64},
    {FormatId::kF16, CodeKind::kF16, ScaleKind::kNone, 16, false, 0, 1, 32},
    {FormatId::kBF16, CodeKind::kBF16, ScaleKind::kNone, 16, false, 0, 1, 32},
};

}  // namespace

std::optional<FormatId> format_id(const WeightFormat& f) {
  for (const Known& k : kKnown) {
    if (k.code != f.code || k.scale != f.scale || k.code_bits != f.code_bits || k.has_table != f.has_table ||
        k.block_inputs != f.block_inputs || k.block_bytes != f.block_bytes)
      continue;
    if (k.group_size != 0 && k.group_size != f.group_size) continue;
    if (k.code == CodeKind::kInt8 && f.zero_point != 0) continue;
    return k.id;
  }
  return {};
}

}  // namespace sluice::cpu
