// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine/buffers.h"

namespace sluice {

Result<Buffers> make_buffers(const ModelShape& shape, uint32_t max_rows, Accountant& accountant) {
  const ActivationLayout layout = activation_layout(shape, max_rows);
  Buffers b;
  SLUICE_TRY(b.block, accountant.allocate(MemoryKind::kActivations, layout.total));
  const auto floats = [&](uint64_t offset) { return reinterpret_cast<float*>(b.block.data() + offset); };
  const auto quantized = [&](const ActivationLayout::Quantized& at) {
    Activations a;
    a.f32 = floats(at.f32);
    a.q8 = reinterpret_cast<int8_t*>(b.block.data() + at.q8);
    a.scale = floats(at.scale);
    a.sum16 = reinterpret_cast<int32_t*>(b.block.data() + at.sum16);
    return a;
  };
  b.x[0] = floats(layout.x[0]), b.x[1] = floats(layout.x[1]);
  b.branch = floats(layout.branch);
  b.q = floats(layout.q);
  b.attended = quantized(layout.attended), b.ffn = quantized(layout.ffn);
  for (uint64_t offset : layout.rope_cos) b.cos.push_back(floats(offset));
  for (uint64_t offset : layout.rope_sin) b.sin.push_back(floats(offset));
  return b;
}

}  // namespace sluice
