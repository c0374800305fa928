// SPDX-License-Identifier: Apache-2.0
// Names of tensors in Hugging Face folders and what GGUF calls them. Pure functions of text.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace sluice {

struct HfName {
  enum Kind { kTensor, kIgnored, kOtherPart, kUnknown } kind = kUnknown;
  std::string gguf;  // kTensor: "blk.3.attn_q.weight"; kUnknown: as it was
};

// kIgnored: tables that are computed anew. kOtherPart: of the image or sound part of a model. `extra_norms`: families
// with a norm behind each branch (Gemma), whose post_attention_layernorm is that norm and not the one before the FFN.
HfName gguf_name(std::string_view name, bool extra_norms);

// Some families store what runs together as one matrix; its rows are cut here, in this order.
struct FusedPart {
  std::string gguf;
  enum Rows { kQ, kKv, kHalf } rows;
};
// The parts of a fused matrix ("blk.3.attn_qkv.weight"), empty if it is none.
std::vector<FusedPart> fused_parts(std::string_view gguf);

}  // namespace sluice
